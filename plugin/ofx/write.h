/* Writing the host's output: the plate with the mattes, as the artist wants to see them. */
#ifndef ROTOGRAPH_WRITE_H
#define ROTOGRAPH_WRITE_H

#include "picture.h"

typedef struct {
    const Picture *source; /* NULL: black */
    const Picture *output;
    const Mattes *mattes;  /* NULL: the plate as it came */
    Output content;
    const char *layer;
    int window[4]; /* what to write, in the output's pixels */
    double scale[2];
    int origin[2], height; /* of the plate's display window at full resolution */
} Writing;

/* Rows from the top of the window. */
bool write_rows(const Writing *writing, int first, int last);
/* The alpha of rows, at full size, into a hash. */
void write_hash(const Writing *writing, int first, int last, Hash *hash);
/* The smallest box around each layer, as a line over what is written. */
void write_boxes(const Writing *writing, bool (*aborted)(void *), void *host);

#endif
