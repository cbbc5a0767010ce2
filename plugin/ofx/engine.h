/* The engine as the plugin talks to it: a connection for each node (docs/wire.md), one request at a
 * time. A node may wait for another one's picture while the engine waits for it, so two nodes never
 * share a connection. */
#ifndef ROTOGRAPH_ENGINE_H
#define ROTOGRAPH_ENGINE_H

#include "json.h"

#include <stdint.h>

enum { ENGINE_OK, ENGINE_ABORTED, ENGINE_ERROR, ENGINE_GONE, ENGINE_NEEDS };

/* Where a frame's pixels go that the engine asks for: fills `size` bytes, or says no. */
typedef struct {
    bool (*aborted)(void *host);                      /* asked every 20 ms */
    void (*progress)(void *host, double part);
    size_t (*frame)(void *host, const char *digest, Text *picture); /* bytes, 0: not to be had */
    bool (*fill)(void *host, const char *digest, float *pixels);
    Text *told; /* for the answer's "prompt", or NULL */
    void *host;
} Asking;

/* One layer's alpha: rows from the top, halves in 0 to 1, in the engine's memory until engine_release. */
typedef struct {
    char layer[260];
    int window[4];
    const uint16_t *alpha;
    const float *outline; /* x, y of points, two for each piece; plate pixels, y down */
    size_t points;
} Matte;

enum { MATTES = 256 };
typedef struct {
    Matte mattes[MATTES];
    int count;
    int lying; /* the segment that they lie in, for engine_release; -1: none */
} Mattes;

typedef struct Engine Engine;

/* version: which engine; host: who is calling. Once, before anything else. */
void engine_names(const char *version, const char *host);
Engine *engine_new(void); /* not connected: the first engine_ask connects */
void engine_free(Engine *engine); /* after every engine_release */
/* Forget that the engine could not be had just now: the artist changed something. */
void engine_hope(Engine *engine);

/* Send a request, `body` from its type on, without braces or id: `"type":"track",…`. Waits for the
 * answer without ever waiting longer than 50 ms between two looks at `aborted`.
 * ENGINE_ERROR, ENGINE_GONE, ENGINE_NEEDS (a frame that cannot be had now): `message` says it. */
int engine_ask(Engine *engine, const Text *body, const Asking *asking, Mattes *mattes, char *message, size_t size);
/* Give mattes back, once; they are valid until then, whatever becomes of the connection. */
void engine_release(Engine *engine, Mattes *mattes);

#endif
