/* Pictures: rows may be padded or run backwards, bounds may lie anywhere. */
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static void place(Picture *picture, Instance *instance, OfxClip clip, double time) {
    OfxRectD area = {0, 0, 0, 0};
    double aspect = picture->geometry.aspect;
    suites.effect->clip_rod(clip, time, &area);
    if (area.x1 != 0 || area.y1 != 0) { /* overscan: the format is the project's */
        OfxProps props;
        double size[2] = {0, 0}, offset[2] = {0, 0};
        suites.effect->get_properties(instance->effect, &props);
        for (int i = 0; i < 2; i++) {
            suites.props->get_double(props, "OfxImageEffectPropProjectSize", i, &size[i]);
            suites.props->get_double(props, "OfxImageEffectPropProjectOffset", i, &offset[i]);
        }
        if (size[0] > 0 && size[1] > 0) area = (OfxRectD){offset[0], offset[1], offset[0] + size[0], offset[1] + size[1]};
    }
    int x1 = (int)lround(area.x1 / aspect), y1 = (int)lround(area.y1);
    int x2 = (int)lround(area.x2 / aspect), y2 = (int)lround(area.y2);
    const int *b = picture->bounds;
    if (x2 <= x1 || y2 <= y1) x1 = b[0], y1 = b[1], x2 = b[2], y2 = b[3];
    picture->origin[0] = x1;
    picture->origin[1] = y1;
    Geometry *g = &picture->geometry;
    g->display[0] = g->display[1] = 0;
    g->display[2] = x2 - x1;
    g->display[3] = y2 - y1;
    g->data[0] = b[0] - x1;
    g->data[1] = y2 - b[3];
    g->data[2] = b[2] - x1;
    g->data[3] = y2 - b[1];
}

bool picture_get(Picture *picture, Instance *instance, OfxClip clip, double time) {
    *picture = (Picture){0};
    if (suites.effect->clip_image(clip, time, NULL, &picture->image) != OFX_OK || !picture->image) {
        picture->image = NULL;
        return false;
    }
    void *data = NULL;
    char *depth = "", *components = "";
    int row = 0;
    double aspect = 1;
    picture->scale[0] = picture->scale[1] = 1;
    suites.props->get_pointer(picture->image, "OfxImagePropData", 0, &data);
    suites.props->get_int(picture->image, "OfxImagePropRowBytes", 0, &row);
    suites.props->get_double(picture->image, "OfxImagePropPixelAspectRatio", 0, &aspect);
    suites.props->get_string(picture->image, "OfxImageEffectPropPixelDepth", 0, &depth);
    suites.props->get_string(picture->image, "OfxImageEffectPropComponents", 0, &components);
    for (int i = 0; i < 4; i++) suites.props->get_int(picture->image, "OfxImagePropBounds", i, &picture->bounds[i]);
    for (int i = 0; i < 2; i++) suites.props->get_double(picture->image, "OfxImageEffectPropRenderScale", i, &picture->scale[i]);
    picture->data = data;
    picture->row = row;
    picture->geometry.aspect = aspect > 0 ? aspect : 1;
    const int *b = picture->bounds;
    if (!data || b[2] <= b[0] || b[3] <= b[1] || strcmp(depth, "OfxBitDepthFloat") || strcmp(components, "OfxImageComponentRGBA")) {
        picture_release(picture);
        return false;
    }
    place(picture, instance, clip, time);
    return true;
}

void picture_release(Picture *picture) {
    if (picture->image) suites.effect->release_image(picture->image);
    picture->image = NULL;
    picture->data = NULL;
}

static float whole(float value) { return value == value ? value : 1.0f; } /* NaN: as a host may write it */

/* R, G, B interleaved and A apart, every NaN as 1. */
static void split_row(const float *row, size_t width, float *colours, float *coverage) {
    size_t x = 0;
#ifdef __SSE2__
    const __m128 one = _mm_set1_ps(1.0f);
    for (; x + 4 <= width; x += 4) {
        __m128 p[4];
        for (int i = 0; i < 4; i++) {
            __m128 pixel = _mm_loadu_ps(row + 4 * (x + (size_t)i));
            __m128 number = _mm_cmpeq_ps(pixel, pixel);
            p[i] = _mm_or_ps(_mm_and_ps(number, pixel), _mm_andnot_ps(number, one));
        }
        /* r0 g0 b0 r1 | g1 b1 r2 g2 | b2 r3 g3 b3 */
        __m128 b0r1 = _mm_shuffle_ps(p[0], p[1], _MM_SHUFFLE(0, 0, 2, 2));
        __m128 b2r3 = _mm_shuffle_ps(p[2], p[3], _MM_SHUFFLE(0, 0, 2, 2));
        _mm_storeu_ps(colours + 3 * x, _mm_shuffle_ps(p[0], b0r1, _MM_SHUFFLE(2, 0, 1, 0)));
        _mm_storeu_ps(colours + 3 * x + 4, _mm_shuffle_ps(p[1], p[2], _MM_SHUFFLE(1, 0, 2, 1)));
        _mm_storeu_ps(colours + 3 * x + 8, _mm_shuffle_ps(b2r3, p[3], _MM_SHUFFLE(2, 1, 2, 0)));
        __m128 low = _mm_shuffle_ps(p[0], p[1], _MM_SHUFFLE(3, 3, 3, 3));
        __m128 high = _mm_shuffle_ps(p[2], p[3], _MM_SHUFFLE(3, 3, 3, 3));
        _mm_storeu_ps(coverage + x, _mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)));
    }
#endif
    for (; x < width; x++) {
        for (int c = 0; c < 3; c++) colours[3 * x + (size_t)c] = whole(row[4 * x + (size_t)c]);
        coverage[x] = whole(row[4 * x + 3]);
    }
}

static float row_least(const float *coverage, size_t width, float least, float *most) {
    float high = *most;
    for (size_t x = 0; x < width; x++) {
        least = coverage[x] < least ? coverage[x] : least;
        high = coverage[x] > high ? coverage[x] : high;
    }
    *most = high;
    return least;
}

/* A row of the host's output: the plate's colours, NaN as 1, and the alpha. */
void row_merge(float *out, const float *row, const float *alpha, size_t width) {
    size_t x = 0;
#ifdef __SSE2__
    const __m128 one = _mm_set1_ps(1.0f), colours = _mm_castsi128_ps(_mm_set_epi32(0, -1, -1, -1));
    for (; x < width; x++) {
        __m128 pixel = _mm_loadu_ps(row + 4 * x);
        __m128 number = _mm_cmpeq_ps(pixel, pixel);
        pixel = _mm_or_ps(_mm_and_ps(number, pixel), _mm_andnot_ps(number, one));
        __m128 coverage = _mm_load1_ps(alpha + x);
        _mm_storeu_ps(out + 4 * x, _mm_or_ps(_mm_and_ps(colours, pixel), _mm_andnot_ps(colours, coverage)));
    }
#endif
    for (; x < width; x++) {
        for (int c = 0; c < 3; c++) out[4 * x + (size_t)c] = whole(row[4 * x + (size_t)c]);
        out[4 * x + 3] = alpha[x];
    }
}

/* Add a layer's coverage, never over 1. */
void row_add(float *alpha, const float *more, size_t width) {
    for (size_t x = 0; x < width; x++) {
        float sum = alpha[x] + whole(more[x]);
        alpha[x] = sum < 1.0f ? sum : 1.0f;
    }
}

bool picture_name(const Picture *picture, Named *named, bool (*aborted)(void *), void *host) {
    enum { OFTEN = 64 };
    size_t width = (size_t)(picture->bounds[2] - picture->bounds[0]);
    float *buffer = malloc(width * 4 * sizeof *buffer);
    Hash *rgb = hash_new(), *alpha = hash_new();
    bool well = buffer && rgb && alpha;
    float least = INFINITY, most = -INFINITY;
    for (int y = picture->bounds[3] - 1; well && y >= picture->bounds[1]; y--) {
        const float *row = picture_row(picture, y);
        float *colours = buffer, *coverage = buffer + 3 * width;
        split_row(row, width, colours, coverage);
        least = row_least(coverage, width, least, &most);
        hash_add(rgb, colours, 3 * width * sizeof(float));
        hash_add(alpha, coverage, width * sizeof(float));
        if (y % OFTEN == 0 && aborted && aborted(host)) well = false;
    }
    free(buffer);
    hash_end(rgb, named->rgb);
    hash_end(alpha, named->alpha);
    if (!well) return false;
    unsigned char digest[DIGEST];
    named->plain = least == most;
    picture_digest(digest, &picture->geometry, "RGB", named->rgb, NULL);
    digest_text(digest, named->plate);
    picture_rename(picture, named, named->alpha);
    return true;
}

void picture_rename(const Picture *picture, Named *named, const unsigned char alpha[DIGEST]) {
    unsigned char digest[DIGEST];
    picture_digest(digest, &picture->geometry, "RGBA", named->rgb, alpha);
    digest_text(digest, named->whole);
}

void picture_copy(const Picture *picture, float *pixels) {
    size_t width = (size_t)(picture->bounds[2] - picture->bounds[0]);
    for (int y = picture->bounds[3] - 1; y >= picture->bounds[1]; y--) {
        const float *row = picture_row(picture, y);
        for (size_t x = 0; x < width; x++, pixels += 3)
            for (int c = 0; c < 3; c++) pixels[c] = row[4 * x + c];
    }
}

size_t picture_bytes(const Picture *picture) {
    const int *b = picture->bounds;
    return (size_t)(b[2] - b[0]) * (size_t)(b[3] - b[1]) * 3 * sizeof(float);
}

void picture_text(const Picture *picture, const char *colour_space, Text *text) {
    const Geometry *g = &picture->geometry;
    text_format(text, "{\"display\":[%d,%d,%d,%d],\"data\":[%d,%d,%d,%d],\"channels\":[\"R\",\"G\",\"B\"],\"pixel_aspect\":",
                g->display[0], g->display[1], g->display[2], g->display[3], g->data[0], g->data[1], g->data[2], g->data[3]);
    text_number(text, g->aspect);
    text_put(text, ",\"colour_space\":");
    text_quote(text, colour_space);
    text_put(text, "}");
}
