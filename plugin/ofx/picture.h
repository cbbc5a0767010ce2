/* A host's picture: where its pixels are, its digests, and copies of it for the engine. */
#ifndef ROTOGRAPH_PICTURE_H
#define ROTOGRAPH_PICTURE_H

#include "plugin.h"

typedef struct {
    OfxProps image;
    char *data;       /* of the pixel at x1, y1 */
    long row;         /* bytes from a row to the one above; may be negative */
    int bounds[4];    /* x1, y1, x2, y2; half-open, y up, in the picture's own pixels */
    int area[4];      /* what of it is looked at: its bounds, or the plate's; black where it has none */
    Geometry geometry;
    int origin[2];    /* of the display window, in the host's pixels */
} Picture;

typedef enum { CONTENT_COLOURS, CONTENT_ALPHA, CONTENT_ALL } Content; /* R, G, B; A; R, G, B, A */

typedef struct {
    unsigned char rgb[DIGEST], alpha[DIGEST];
    char plate[DIGEST_TEXT]; /* of R, G, B: names the plate, whatever came into alpha */
    char cover[DIGEST_TEXT]; /* of A */
    char whole[DIGEST_TEXT]; /* of R, G, B, A: names the picture */
    bool plain;              /* alpha is the same everywhere: no matte */
} Named;

/* False: the host has no such picture (black), or not of float RGBA. */
bool picture_get(Picture *picture, Instance *instance, OfxClip clip, double time);
void picture_release(Picture *picture);
/* Look at the area of another picture, which is the plate. */
void picture_as(Picture *picture, const Picture *plate);
/* False: stopped, or no memory. */
bool picture_name(const Picture *picture, Named *named, bool (*aborted)(void *), void *host);
/* The digest of a picture with this one's RGB and another alpha. */
void picture_rename(const Picture *picture, Named *named, const unsigned char alpha[DIGEST]);
/* Its content from the top, without padding; false: stopped. */
bool picture_copy(const Picture *picture, Content content, float *pixels, bool (*aborted)(void *), void *host);
size_t picture_bytes(const Picture *picture, Content content);
/* As docs/wire.md has it. */
void picture_text(const Picture *picture, Content content, const char *colour_space, Text *text);
/* Pixels of the area from x on: where they are, or put together in `room`. */
const float *picture_part(const Picture *picture, int y, int x, size_t count, float *room);

/* The plate's display window in its own pixels, y up: what the clip says, or the project's format. */
void display_window(Instance *instance, OfxClip clip, double time, double aspect, int window[4]);

static inline const float *picture_row(const Picture *picture, int y) {
    return (const float *)(picture->data + (y - picture->bounds[1]) * picture->row);
}

#endif
