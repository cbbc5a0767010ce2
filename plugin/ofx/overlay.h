/* The node on the viewer: its prompts, outlines and anchors drawn, and clicks taken. */
#ifndef ROTOGRAPH_OVERLAY_H
#define ROTOGRAPH_OVERLAY_H

#include "plugin.h"

/* Let the host have it, when the node takes prompts. */
void overlay_describe(const Json *node, OfxProps effect);

#endif
