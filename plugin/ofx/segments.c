/* Shared memory of one connection: frames lent to the engine, and the engine's results. */
#include "segments.h"

#include "platform.h"

#include <string.h>

enum { PAGE = 4096 };

void segments_open(Segments *segments) {
    *segments = (Segments){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void segments_close(Segments *segments) {
    segments_forget(segments);
}

static void drop(Result *result) {
    memory_unmap(result->map, result->size);
    *result = (Result){0};
}

void segments_forget(Segments *segments) {
    for (int i = 0; i < LENT; i++)
        if (segments->lent[i].map) memory_unmap(segments->lent[i].map, segments->lent[i].size);
    memset(segments->lent, 0, sizeof segments->lent);
    pthread_mutex_lock(&segments->lock);
    for (Result *at = segments->results; at < segments->results + RESULTS; at++) {
        if (at->used) at->orphan = true;
        else if (at->map) drop(at);
    }
    segments->back_count = 0;
    pthread_mutex_unlock(&segments->lock);
}

int segments_room(Segments *segments, size_t size, int *descriptor, bool *full) {
    int found = -1;
    *descriptor = -1;
    for (int i = 0; i < LENT; i++)
        if (!segments->lent[i].lent && (found < 0 || segments->lent[i].size >= size)) found = i;
    *full = found < 0;
    if (found < 0 || segments->lent[found].size >= size) return found;
    Lent *lent = &segments->lent[found];
    if (lent->map) memory_unmap(lent->map, lent->size);
    *lent = (Lent){.size = (size + PAGE - 1) & ~(size_t)(PAGE - 1)};
    *descriptor = memory_create(lent->size, &lent->map);
    if (*descriptor >= 0) return found;
    *lent = (Lent){0};
    return -1;
}

bool segments_told(Segments *segments, unsigned number, size_t size, int descriptor) {
    void *map = size ? memory_open(descriptor, size) : NULL;
    memory_close(descriptor);
    if (!map) return false;
    Result *place = NULL;
    pthread_mutex_lock(&segments->lock);
    for (Result *at = segments->results; at < segments->results + RESULTS; at++)
        if (!at->map) place = place ? place : at;
        else if (!at->used && at->number == number) {
            drop(at);
            place = at;
        }
    if (place) *place = (Result){.number = number, .map = map, .size = size};
    pthread_mutex_unlock(&segments->lock);
    if (!place) memory_unmap(map, size);
    return place != NULL;
}

int segments_use(Segments *segments, unsigned number, size_t size) {
    int found = -1;
    pthread_mutex_lock(&segments->lock);
    for (int i = 0; i < RESULTS; i++) {
        Result *at = &segments->results[i];
        if (at->map && !at->orphan && !at->used && at->number == number && size <= at->size) found = i;
    }
    if (found >= 0) segments->results[found].used = true;
    pthread_mutex_unlock(&segments->lock);
    return found;
}

void segments_return(Segments *segments, int place) {
    Result *at = &segments->results[place];
    pthread_mutex_lock(&segments->lock);
    at->used = false;
    if (at->orphan) drop(at);
    else if (segments->back_count < RESULTS) segments->back[segments->back_count++] = at->number;
    pthread_mutex_unlock(&segments->lock);
}

bool segments_back(Segments *segments, unsigned *number) {
    pthread_mutex_lock(&segments->lock);
    bool found = segments->back_count > 0;
    if (found) *number = segments->back[--segments->back_count];
    pthread_mutex_unlock(&segments->lock);
    return found;
}
