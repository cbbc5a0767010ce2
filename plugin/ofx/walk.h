/* One walk over a frame: its pixels are named, or its output is written, or both at a time, so that
 * they go through the cache once; by several threads where the host lends some. */
#ifndef ROTOGRAPH_WALK_H
#define ROTOGRAPH_WALK_H

#include "picture.h"
#include "write.h"

/* named: hashed into `rgb` and `alpha` when not NULL. writing: written when not NULL, the alpha that
 * is written hashed into `made` unless NULL. Looks at `aborted` at least every 50 ms; false: stopped. */
typedef struct {
    const Picture *named;
    Hash *rgb, *alpha;
    float least, most; /* of the named picture's alpha */
    const Writing *writing;
    Hash *made;
} Walk;

/* The names of what was walked over, whose hashes end here; false: it has none. */
bool picture_named(const Walk *walk, Named *named);

bool walk(Walk *walk, bool (*aborted)(void *), void *host);

#endif
