/* Writing the host's output: the plate with the mattes, as the artist wants to see them. */
#include "write.h"

#include "rows.h"

#include <stdlib.h>
#include <string.h>

static float no_nan(float value) { return value == value ? value : 1.0f; }

static bool chosen(const Writing *writing, const Matte *matte) {
    return writing->content != OUTPUT_LAYER || !*writing->layer || !strcmp(writing->layer, matte->layer);
}

/* Alpha of all chosen layers on a row of the plate, x from `first`. row: y down, display window. */
static void row_alpha(const Writing *writing, int row, int first, int count, float *alpha) {
    bool empty = true;
    for (int i = 0; i < writing->mattes->count; i++) {
        const Matte *matte = &writing->mattes->mattes[i];
        const int *w = matte->window;
        if (!chosen(writing, matte) || row < w[1] || row >= w[3]) continue;
        int low = w[0] > first ? w[0] : first, high = w[2] < first + count ? w[2] : first + count;
        if (low >= high) continue;
        const uint16_t *from = matte->alpha + (size_t)(row - w[1]) * (size_t)(w[2] - w[0]) + (low - w[0]);
        if (empty && high - low < count) memset(alpha, 0, (size_t)count * sizeof *alpha);
        rows_matte(alpha + (low - first), from, (size_t)(high - low), !empty || high - low < count);
        empty = false;
    }
    if (empty) memset(alpha, 0, (size_t)count * sizeof *alpha);
}

static int down(const Writing *writing, int y) { return writing->height - 1 - (y - writing->origin[1]); }

/* As row_alpha, for a row of an output that is smaller than the plate: what lies under each pixel. */
static void small_alpha(const Writing *writing, int y, float *alpha, float *full) {
    int count = writing->window[2] - writing->window[0];
    double sx = writing->scale[0], sy = writing->scale[1];
    int left = below(writing->window[0] / sx), right = above(writing->window[2] / sx);
    int low = below(y / sy + 1e-6), high = above((y + 1) / sy - 1e-6);
    if (high <= low) high = low + 1;
    memset(alpha, 0, (size_t)count * sizeof *alpha);
    for (int row = low; row < high; row++) {
        row_alpha(writing, down(writing, row), left - writing->origin[0], right - left, full);
        for (int x = 0; x < count; x++) {
            int from = below((writing->window[0] + x) / sx + 1e-6) - left;
            int to = above((writing->window[0] + x + 1) / sx - 1e-6) - left;
            if (to <= from) to = from + 1;
            if (to > right - left) to = right - left;
            float sum = 0;
            for (int at = from; at < to; at++) sum += full[at];
            alpha[x] += sum / (float)((to > from ? to - from : 1) * (high - low));
        }
    }
}

static void finish(const Writing *writing, float *out, float alpha) {
    if (writing->content == OUTPUT_PREMULTIPLIED)
        for (int c = 0; c < 3; c++) out[c] = alpha == 0.0f ? 0.0f : out[c] * alpha;
    else if (writing->content == OUTPUT_OVERLAY) { /* a light red, apart from its outline by brightness as well as by colour */
        out[0] += alpha * 0.5f * (1.0f - out[0]);
        out[1] *= 1.0f - 0.5f * alpha;
        out[2] *= 1.0f - 0.5f * alpha;
    }
    out[3] = alpha;
}

static void write_row(const Writing *writing, int y, float *alpha, float *full) {
    const int *w = writing->window;
    const Picture *source = writing->source;
    int count = w[2] - w[0];
    float *out = (float *)picture_row(writing->output, y) + 4 * (w[0] - writing->output->bounds[0]);
    if (writing->mattes && full) small_alpha(writing, y, alpha, full);
    else if (writing->mattes) row_alpha(writing, down(writing, y), w[0] - writing->origin[0], count, alpha);
    bool inside = source && y >= source->bounds[1] && y < source->bounds[3];
    const float *from = inside ? picture_row(source, y) - 4 * (long)source->bounds[0] : NULL;
    bool kept = writing->content != OUTPUT_PREMULTIPLIED && writing->content != OUTPUT_OVERLAY;
    if (inside && writing->mattes && kept && w[0] >= source->bounds[0] && w[2] <= source->bounds[2]) {
        rows_merge(out, from + 4 * (long)w[0], alpha, (size_t)count);
        return;
    }
    for (int x = w[0]; x < w[2]; x++, out += 4) {
        const float *given = inside && x >= source->bounds[0] && x < source->bounds[2] ? from + 4 * (long)x : NULL;
        for (int c = 0; c < 4; c++) out[c] = given ? no_nan(given[c]) : 0.0f;
        if (writing->mattes) finish(writing, out, alpha[x - w[0]]);
    }
}

bool write_rows(const Writing *writing, int first, int last) {
    const int *w = writing->window;
    size_t count = (size_t)(w[2] - w[0]), wide = (size_t)above((double)count / writing->scale[0]) + 4;
    bool small = writing->scale[0] != 1.0 || writing->scale[1] != 1.0;
    float *alpha = first < last ? malloc((count + (small ? wide : 0)) * sizeof *alpha) : NULL;
    for (int row = first; alpha && row < last; row++) write_row(writing, w[3] - 1 - row, alpha, small ? alpha + count : NULL);
    bool well = alpha || first >= last;
    free(alpha);
    return well;
}

void write_hash(const Writing *writing, int first, int last, Hash *hash) {
    const int *w = writing->window;
    int count = w[2] - w[0];
    float *alpha = malloc((size_t)count * sizeof *alpha);
    for (int row = first; alpha && row < last; row++) {
        row_alpha(writing, down(writing, w[3] - 1 - row), w[0] - writing->origin[0], count, alpha);
        hash_add(hash, alpha, (size_t)count * sizeof *alpha);
    }
    free(alpha);
}

/* Where a matte is over a half, in its own pixels: x0, y0, x1, y1, both ends included. */
static bool extent(const Matte *matte, int box[4]) {
    int width = matte->window[2] - matte->window[0], height = matte->window[3] - matte->window[1];
    box[0] = width;
    box[2] = box[3] = -1;
    for (int y = 0; y < height; y++) {
        const uint16_t *row = matte->alpha + (size_t)y * (size_t)width;
        int x = 0, end = width;
        while (x < width && row[x] <= HALF) x++;
        if (x == width) continue;
        while (row[end - 1] <= HALF) end--;
        if (box[3] < 0) box[1] = y;
        box[3] = y;
        if (x < box[0]) box[0] = x;
        if (end - 1 > box[2]) box[2] = end - 1;
    }
    return box[3] >= 0;
}

void write_boxes(const Writing *writing, bool (*aborted)(void *), void *host) {
    const int *window = writing->window, *origin = writing->origin;
    for (int i = 0; i < writing->mattes->count && !aborted(host); i++) {
        const Matte *matte = &writing->mattes->mattes[i];
        const int *w = matte->window;
        int box[4];
        if (!extent(matte, box)) continue;
        int x1 = below((box[0] + w[0] + origin[0]) * writing->scale[0]);
        int x2 = below((box[2] + w[0] + origin[0]) * writing->scale[0]);
        int y2 = below((origin[1] + writing->height - 1 - (box[1] + w[1])) * writing->scale[1]);
        int y1 = below((origin[1] + writing->height - 1 - (box[3] + w[1])) * writing->scale[1]);
        for (int y = y1 > window[1] ? y1 : window[1]; y <= y2 && y < window[3]; y++)
            for (int x = x1 > window[0] ? x1 : window[0]; x <= x2 && x < window[2]; x++)
                if (y - y1 < 2 || y2 - y < 2 || x - x1 < 2 || x2 - x < 2) {
                    float *at = (float *)picture_row(writing->output, y) + 4 * (x - writing->output->bounds[0]);
                    at[0] = at[1] = 1.0f;
                    at[2] = 0.0f;
                }
    }
}
