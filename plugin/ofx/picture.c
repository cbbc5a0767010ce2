/* Pictures: rows may be padded or run backwards, bounds may lie anywhere. */
#include "picture.h"

#include "rows.h"
#include "walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void display_window(Instance *instance, OfxClip clip, double time, double aspect, int window[4]) {
    OfxRectD area = {0, 0, 0, 0};
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
    window[0] = nearest(area.x1 / aspect);
    window[1] = nearest(area.y1);
    window[2] = nearest(area.x2 / aspect);
    window[3] = nearest(area.y2);
}

static void place(Picture *picture, Instance *instance, OfxClip clip, double time) {
    int w[4];
    const int *b = picture->bounds;
    Geometry *g = &picture->geometry;
    display_window(instance, clip, time, g->aspect, w);
    if (w[2] <= w[0] || w[3] <= w[1]) memcpy(w, b, sizeof w);
    picture->origin[0] = w[0];
    picture->origin[1] = w[1];
    g->display[0] = g->display[1] = 0;
    g->display[2] = w[2] - w[0];
    g->display[3] = w[3] - w[1];
    g->data[0] = b[0] - w[0];
    g->data[1] = w[3] - b[3];
    g->data[2] = b[2] - w[0];
    g->data[3] = w[3] - b[1];
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
    suites.props->get_pointer(picture->image, "OfxImagePropData", 0, &data);
    suites.props->get_int(picture->image, "OfxImagePropRowBytes", 0, &row);
    suites.props->get_double(picture->image, "OfxImagePropPixelAspectRatio", 0, &aspect);
    suites.props->get_string(picture->image, "OfxImageEffectPropPixelDepth", 0, &depth);
    suites.props->get_string(picture->image, "OfxImageEffectPropComponents", 0, &components);
    for (int i = 0; i < 4; i++) suites.props->get_int(picture->image, "OfxImagePropBounds", i, &picture->bounds[i]);
    picture->data = data;
    picture->row = row;
    picture->geometry.aspect = aspect > 0 ? aspect : 1;
    const int *b = picture->bounds;
    if (!data || b[2] <= b[0] || b[3] <= b[1] || strcmp(depth, "OfxBitDepthFloat") || strcmp(components, "OfxImageComponentRGBA")) {
        picture_release(picture);
        return false;
    }
    memcpy(picture->area, b, sizeof picture->area);
    place(picture, instance, clip, time);
    return true;
}

void picture_release(Picture *picture) {
    if (picture->image) suites.effect->release_image(picture->image);
    picture->image = NULL;
    picture->data = NULL;
}

void picture_as(Picture *picture, const Picture *plate) {
    memcpy(picture->area, plate->area, sizeof picture->area);
    memcpy(picture->origin, plate->origin, sizeof picture->origin);
    picture->geometry = plate->geometry;
}

const float *picture_part(const Picture *picture, int y, int x, size_t count, float *room) {
    const int *b = picture->bounds;
    int end = x + (int)count, low = x > b[0] ? x : b[0], high = end < b[2] ? end : b[2];
    bool there = y >= b[1] && y < b[3] && low < high;
    const float *row = there ? picture_row(picture, y) + 4 * (long)(low - b[0]) : NULL;
    if (there && low == x && high == end) return row;
    memset(room, 0, 4 * count * sizeof *room);
    if (there) memcpy(room + 4 * (long)(low - x), row, 4 * (size_t)(high - low) * sizeof *room);
    return room;
}

bool picture_name(const Picture *picture, Named *named, bool (*aborted)(void *), void *host) {
    Walk over = {.named = picture, .rgb = hash_new(), .alpha = hash_new(), .least = INFINITY, .most = -INFINITY};
    bool well = over.rgb && over.alpha && walk(&over, aborted, host);
    return picture_named(&over, named) && well;
}

static void name(const Picture *picture, const char *channels, const Named *named, char text[DIGEST_TEXT]) {
    unsigned char digest[DIGEST];
    bool colours = *channels == 'R', alpha = !colours || channels[3];
    picture_digest(digest, &picture->geometry, channels, colours ? named->rgb : NULL, alpha ? named->alpha : NULL);
    digest_text(digest, text);
}

bool picture_named(const Walk *over, Named *named) {
    const Picture *picture = over->named;
    bool well = over->rgb && hash_end(over->rgb, named->rgb);
    well &= over->alpha && hash_end(over->alpha, named->alpha);
    named->plain = over->least == over->most;
    name(picture, "RGB", named, named->plate);
    name(picture, "A", named, named->cover);
    name(picture, "RGBA", named, named->whole);
    return well;
}

void picture_rename(const Picture *picture, Named *named, const unsigned char alpha[DIGEST]) {
    memcpy(named->alpha, alpha, DIGEST);
    name(picture, "RGBA", named, named->whole);
}

static size_t channels_of(Content content) { return content == CONTENT_COLOURS ? 3 : content == CONTENT_ALPHA ? 1 : 4; }

bool picture_copy(const Picture *picture, Content content, float *pixels, bool (*aborted)(void *), void *host) {
    enum { BLOCK = 1024, OFTEN = 32 };
    float room[4 * BLOCK];
    const int *area = picture->area;
    for (int y = area[3] - 1; y >= area[1]; y--) {
        for (int x = area[0]; x < area[2]; x += BLOCK) {
            size_t count = (size_t)(area[2] - x < BLOCK ? area[2] - x : BLOCK);
            const float *part = picture_part(picture, y, x, count, room);
            if (content == CONTENT_COLOURS) rows_colours(pixels, part, count, false);
            else if (content == CONTENT_ALPHA) rows_coverage(pixels, part, count, false);
            else memcpy(pixels, part, 4 * count * sizeof *pixels);
            pixels += channels_of(content) * count;
        }
        if (y % OFTEN == 0 && aborted(host)) return false;
    }
    return true;
}

size_t picture_bytes(const Picture *picture, Content content) {
    const int *b = picture->area;
    return (size_t)(b[2] - b[0]) * (size_t)(b[3] - b[1]) * channels_of(content) * sizeof(float);
}

void picture_text(const Picture *picture, Content content, const char *colour_space, Text *text) {
    static const char *const channels[] = {"\"R\",\"G\",\"B\"", "\"A\"", "\"R\",\"G\",\"B\",\"A\""};
    const Geometry *g = &picture->geometry;
    text_format(text, "{\"display\":[%d,%d,%d,%d],\"data\":[%d,%d,%d,%d],\"channels\":[%s],\"pixel_aspect\":", g->display[0],
                g->display[1], g->display[2], g->display[3], g->data[0], g->data[1], g->data[2], g->data[3], channels[content]);
    text_number(text, g->aspect);
    text_put(text, ",\"colour_space\":");
    text_quote(text, colour_space);
    text_put(text, "}");
}
