/* Shared memory of one connection: frames lent to the engine, and the engine's results. */
#ifndef ROTOGRAPH_SEGMENTS_H
#define ROTOGRAPH_SEGMENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { LENT = 4, RESULTS = 64 };

typedef struct {
    void *map;
    size_t size;
    bool lent;
} Lent;

typedef struct {
    unsigned number;
    void *map;
    size_t size;
    bool used, orphan; /* orphan: its connection is gone, and it goes when nobody uses it */
} Result;

/* Lent segments belong to whoever talks; results may be given back by another thread meanwhile. */
typedef struct {
    Lent lent[LENT];
    pthread_mutex_t lock; /* of what follows */
    Result results[RESULTS];
    unsigned back[RESULTS]; /* to be given back with the next message */
    int back_count;
} Segments;

void segments_open(Segments *segments);
void segments_close(Segments *segments);
/* The connection is gone: nothing is lent any more, and results in use stay until they are given back. */
void segments_forget(Segments *segments);

/* A lent segment for `size` bytes that is free, or -1. `descriptor`: of a new one, to be announced
 * and closed, else -1. full: all are lent. */
int segments_room(Segments *segments, size_t size, int *descriptor, bool *full);

/* The engine announces a result's segment; takes the descriptor. */
bool segments_told(Segments *segments, unsigned number, size_t size, int descriptor);
/* Use a result: its place among the results, or -1 when nothing of that size is there. */
int segments_use(Segments *segments, unsigned number, size_t size);
void segments_return(Segments *segments, int place);
/* The number of a segment to give back, or false. */
bool segments_back(Segments *segments, unsigned *number);

#endif
