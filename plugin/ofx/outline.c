/* What the engine found of the layers' outlines, kept for drawing. */
#include "outline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 256 };

bool outline_wanted(Instance *instance) {
    return !suites.background && suites.interact && param_int(instance, PARAM_SHOWN);
}

/* All of a frame, and all that lie behind the first `kept`. */
static void drop(Instance *instance, int frame, int kept) {
    for (Outline **at = &instance->outlines; *at;) {
        Outline *here = *at;
        if (kept > 0 && here->frame != frame) {
            kept--;
            at = &here->next;
        } else {
            *at = here->next;
            free(here);
        }
    }
}

void outline_keep(Instance *instance, int frame, const Mattes *mattes) {
    pthread_mutex_lock(&instance->lock);
    drop(instance, frame, KEPT);
    for (const Matte *matte = mattes->mattes; matte < mattes->mattes + mattes->count; matte++) {
        size_t bytes = matte->points * 2 * sizeof(float);
        Outline *made = bytes ? malloc(sizeof *made + bytes) : NULL;
        if (!made) continue;
        made->next = instance->outlines;
        made->frame = frame;
        made->count = (int)matte->points;
        snprintf(made->layer, sizeof made->layer, "%s", matte->layer);
        memcpy(made->points, matte->outline, bytes);
        instance->outlines = made;
    }
    pthread_mutex_unlock(&instance->lock);
}

void outline_forget(Instance *instance) {
    pthread_mutex_lock(&instance->lock);
    drop(instance, 0, 0);
    pthread_mutex_unlock(&instance->lock);
}
