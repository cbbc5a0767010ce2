/* Lines on the viewer: by the host's draw suite, else by the OpenGL that the host has loaded. Points
 * are in plate pixels, y down. */
#ifndef ROTOGRAPH_DRAW_H
#define ROTOGRAPH_DRAW_H

#include "plugin.h"

typedef enum { DRAW_PAIRS = 0, DRAW_LOOP = 2 } DrawKind; /* as the draw suite counts */

typedef struct {
    float left, top, aspect; /* of the plate: a point's place on the viewer, canonical */
    float pixel[2];           /* a pixel of the screen, in pixels of the plate */
    void *context;            /* of the draw suite; NULL: OpenGL */
    const unsigned char *colour; /* red, green, blue */
    float width;              /* pixels of the screen */
} Brush;

enum { DRAW_MOST = 64 }; /* points at a time */

bool draw_begin(Brush *brush, OfxProps in); /* false: there is nothing to draw with */
/* With a dark rim, so that it is seen on every plate. `points`: x, y one after the other. */
void draw_line(const Brush *brush, DrawKind kind, const float *points, int count);
/* A shape of a few pixels of the screen around a point. */
void draw_sign(const Brush *brush, DrawKind kind, const float at[2], const signed char *shape, int count);
void draw_end(const Brush *brush);

#endif
