/* What runs over every pixel. Each is about `count` pixels of a row. */
#ifndef ROTOGRAPH_ROWS_H
#define ROTOGRAPH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* R, G, B out of R, G, B, A; `whole`: every NaN as 1, as a host may write it. */
void rows_colours(float *out, const float *pixels, size_t count, bool whole);
/* A out of R, G, B, A. */
void rows_coverage(float *out, const float *pixels, size_t count, bool whole);
void rows_range(const float *coverage, size_t count, float *least, float *most);
float half_value(uint16_t half); /* exact; of one that is not negative */
/* A layer's coverage, halves in 0 to 1: alone, or added, never over 1. */
void rows_matte(float *alpha, const uint16_t *matte, size_t count, bool add);
/* A row of the host's output: the plate's colours, NaN as 1, and the alpha. */
void rows_merge(float *out, const float *pixels, const float *alpha, size_t count);

#endif
