/* Outlines of the layers as they were last rendered, for the viewer. */
#ifndef ROTOGRAPH_OUTLINE_H
#define ROTOGRAPH_OUTLINE_H

#include "plugin.h"

typedef struct Outline Outline;
struct Outline {
    Outline *next;
    int frame, count;
    char layer[64];
    float points[]; /* x, y of `count` points, two for each piece; plate pixels, y down */
};

/* Whether the engine is to find them. */
bool outline_wanted(Instance *instance);
/* Keep the outlines of a frame's mattes. */
void outline_keep(Instance *instance, int frame, const Mattes *mattes);
/* What was rendered is no longer what the node says. */
void outline_forget(Instance *instance);

#endif
