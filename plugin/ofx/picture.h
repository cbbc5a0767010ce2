/* A host's picture: where its pixels are, its digests, and copies of it for the engine. */
#ifndef ROTOGRAPH_PICTURE_H
#define ROTOGRAPH_PICTURE_H

#include "plugin.h"

typedef struct {
    OfxProps image;
    char *data;       /* of the pixel at x1, y1 */
    long row;         /* bytes from a row to the one above; may be negative */
    int bounds[4];    /* x1, y1, x2, y2; half-open, y up, in the picture's own pixels */
    double scale[2];
    Geometry geometry;
    int origin[2];    /* of the display window, in the host's pixels */
} Picture;

typedef struct {
    unsigned char rgb[DIGEST], alpha[DIGEST];
    char plate[DIGEST_TEXT]; /* of R, G, B: names the plate, whatever came into alpha */
    char whole[DIGEST_TEXT]; /* of R, G, B, A: names the picture */
    bool plain;              /* alpha is the same everywhere: no matte */
} Named;

/* False: the host has no such picture (black), or not of float RGBA. */
bool picture_get(Picture *picture, Instance *instance, OfxClip clip, double time);
void picture_release(Picture *picture);
/* False: stopped, or no memory. */
bool picture_name(const Picture *picture, Named *named, bool (*aborted)(void *), void *host);
/* The digest of a picture with this one's RGB and another alpha. */
void picture_rename(const Picture *picture, Named *named, const unsigned char alpha[DIGEST]);
/* R, G, B from the top, without padding. */
void picture_copy(const Picture *picture, float *pixels);
size_t picture_bytes(const Picture *picture);
/* As docs/wire.md has it. */
void picture_text(const Picture *picture, const char *colour_space, Text *text);

void row_merge(float *out, const float *row, const float *alpha, size_t width);
void row_add(float *alpha, const float *more, size_t width);

static inline const float *picture_row(const Picture *picture, int y) {
    return (const float *)(picture->data + (y - picture->bounds[1]) * picture->row);
}

#endif
