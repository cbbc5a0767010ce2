/* Messages to and from the engine, and the shared memory that goes with them. */
#ifndef ROTOGRAPH_LINE_H
#define ROTOGRAPH_LINE_H

#include "json.h"
#include "segments.h"

typedef struct {
    int connection; /* -1: none */
    Segments segments;
    int descriptors[8], descriptor_count;
    char *inbox;
    size_t inbox_size, inbox_room;
} Line;

/* The connection ends, and what was lent with it. */
void line_leave(Line *line);
/* All of a message, with a descriptor (or -1) beside its first byte; false: it did not go. */
bool line_say(Line *line, const Text *body, int descriptor, bool (*stopped)(void *), void *host);
/* The next message that is not about segments; NULL after a look without one. */
JsonTree *line_hear(Line *line, int milliseconds, bool *gone);

#endif
