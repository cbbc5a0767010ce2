/* A conversation with the engine. One thread talks at a time; others wait and look for abort. */
#include "engine.h"

#include "platform.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 16 << 20, LENT = 4, RESULTS = 64, LOOK = 20, HELD = 64 };
static const double PATIENCE = 30.0, REST = 5.0;

typedef struct {
    void *map;
    size_t size;
    bool lent;
} Lent;

typedef struct {
    unsigned number;
    void *map;
    size_t size;
} Result;

struct Engine {
    pthread_mutex_t lock;
    int connection;
    double tired; /* until then no engine is looked for */
    uint64_t count;
    Lent lent[LENT];
    Result results[RESULTS];
    int descriptors[8], descriptor_count;
    JsonTree *held[HELD]; /* came while a segment was waited for */
    int held_count;
    char *inbox;
    size_t inbox_size, inbox_room;
};

/* Who asks whom, the same for every connection. */
static struct {
    char version[64], host[128];
} names;

void engine_names(const char *version, const char *host) {
    snprintf(names.version, sizeof names.version, "%s", version);
    snprintf(names.host, sizeof names.host, "%s", host);
}

Engine *engine_new(void) {
    Engine *engine = calloc(1, sizeof *engine);
    if (!engine) return NULL;
    pthread_mutex_init(&engine->lock, NULL);
    engine->connection = -1;
    return engine;
}

static void leave(Engine *engine) {
    if (engine->connection >= 0) transport_close(engine->connection);
    engine->connection = -1;
    for (int i = 0; i < LENT; i++)
        if (engine->lent[i].map) memory_unmap(engine->lent[i].map, engine->lent[i].size);
    for (int i = 0; i < RESULTS; i++)
        if (engine->results[i].map) memory_unmap(engine->results[i].map, engine->results[i].size);
    memset(engine->lent, 0, sizeof engine->lent);
    memset(engine->results, 0, sizeof engine->results);
    for (int i = 0; i < engine->descriptor_count; i++) memory_close(engine->descriptors[i]);
    engine->descriptor_count = 0;
    for (int i = 0; i < engine->held_count; i++) json_free(engine->held[i]);
    engine->held_count = 0;
    engine->inbox_size = 0;
}

void engine_free(Engine *engine) {
    if (!engine) return;
    leave(engine);
    free(engine->inbox);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

void engine_hope(Engine *engine) { engine->tired = 0; }

static bool stopped(const Asking *asking) { return asking && asking->aborted(asking->host); }

/* All of a message, with a descriptor beside its first byte. */
static bool say(Engine *engine, const Text *body, int descriptor) {
    unsigned char header[4] = {(unsigned char)body->size, (unsigned char)(body->size >> 8),
                               (unsigned char)(body->size >> 16), (unsigned char)(body->size >> 24)};
    if (body->failed || body->size > LARGEST || engine->connection < 0) return false;
    double began = transport_seconds();
    for (size_t done = 0; done < 4 + body->size;) {
        const void *from = done < 4 ? (const void *)(header + done) : body->data + done - 4;
        long sent = transport_send(engine->connection, from, done < 4 ? 4 - done : body->size - (done - 4), descriptor);
        if (sent < 0 || transport_seconds() - began > PATIENCE) return false;
        if (sent > 0) descriptor = -1;
        done += (size_t)sent;
    }
    return true;
}

/* A whole message in the inbox: its JSON, or NULL. */
static JsonTree *heard(Engine *engine, bool *broken) {
    if (engine->inbox_size < 4) return NULL;
    const unsigned char *at = (const unsigned char *)engine->inbox;
    size_t size = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (size == 0 || size > LARGEST) {
        *broken = true;
        return NULL;
    }
    if (engine->inbox_size < 4 + size) return NULL;
    JsonTree *tree = json_parse(engine->inbox + 4, size);
    engine->inbox_size -= 4 + size;
    memmove(engine->inbox, engine->inbox + 4 + size, engine->inbox_size);
    *broken = !tree;
    return tree;
}

static bool told_segment(Engine *engine, const Json *message) {
    unsigned number = (unsigned)json_number(message, "segment", 0);
    size_t size = (size_t)json_number(message, "bytes", 0);
    if (engine->descriptor_count == 0) return false;
    int descriptor = engine->descriptors[0];
    memmove(engine->descriptors, engine->descriptors + 1, sizeof engine->descriptors - sizeof(int));
    engine->descriptor_count--;
    void *map = size ? memory_open(descriptor, size) : NULL;
    memory_close(descriptor);
    if (!map) return false;
    for (int i = 0; i < RESULTS; i++)
        if (!engine->results[i].map || engine->results[i].number == number) {
            if (engine->results[i].map) memory_unmap(engine->results[i].map, engine->results[i].size);
            engine->results[i] = (Result){number, map, size};
            return true;
        }
    memory_unmap(map, size);
    return false;
}

/* The next message that is not about segments; NULL after a look without one. */
static JsonTree *hear(Engine *engine, int milliseconds, bool *gone) {
    for (;;) {
        JsonTree *tree = heard(engine, gone);
        if (*gone) return NULL;
        if (tree) {
            const Json *message = json_root(tree);
            const char *type = json_text(message, "type", "");
            if (!strcmp(type, "segment")) *gone = !told_segment(engine, message);
            else if (!strcmp(type, "release")) {
                size_t number = (size_t)json_number(message, "segment", -1);
                if (number < LENT) engine->lent[number].lent = false;
            } else return tree;
            json_free(tree);
            if (*gone) return NULL;
            continue;
        }
        if (engine->inbox_room - engine->inbox_size < 65536) {
            char *grown = realloc(engine->inbox, engine->inbox_size + 262144);
            if (!grown) {
                *gone = true;
                return NULL;
            }
            engine->inbox = grown;
            engine->inbox_room = engine->inbox_size + 262144;
        }
        int came[4];
        long size = transport_receive(engine->connection, engine->inbox + engine->inbox_size,
                                      engine->inbox_room - engine->inbox_size, came, milliseconds);
        for (int i = 0; i < 4; i++)
            if (came[i] >= 0) {
                if (engine->descriptor_count < 8) engine->descriptors[engine->descriptor_count++] = came[i];
                else memory_close(came[i]);
            }
        if (size == 0) *gone = true;
        if (size <= 0) return NULL;
        engine->inbox_size += (size_t)size;
    }
}

static void told_error(const Json *error, char *message, size_t size) {
    const char *node = json_text(error, "node", ""), *hint = json_text(error, "hint", "");
    const char *file = json_text(error, "file", "");
    const Json *frame = json_get(error, "frame");
    char where[64] = "";
    if (frame && frame->kind == JSON_NUMBER) snprintf(where, sizeof where, "%sframe %.0f", *node ? ", " : "", frame->number);
    bool located = *node || *where || *file;
    snprintf(message, size, "%s%s%s%s%s%s%s%s", node, where, *file && (*node || *where) ? ", " : "", file,
             located ? ": " : "", json_text(error, "message", "the engine failed"), *hint ? "; " : "", hint);
}

static int hello(Engine *engine, const Asking *asking, char *message, size_t size) {
    Text text = {0};
    text_put(&text, "{\"type\":\"hello\",\"protocol\":1,\"version\":");
    text_quote(&text, names.version);
    text_put(&text, ",\"client\":");
    text_quote(&text, names.host);
    text_put(&text, "}");
    bool gone = !say(engine, &text, -1);
    text_free(&text);
    double deadline = transport_seconds() + 10;
    while (!gone && transport_seconds() < deadline) {
        if (stopped(asking)) return ENGINE_ABORTED;
        JsonTree *tree = hear(engine, LOOK, &gone);
        if (!tree) continue;
        bool well = !strcmp(json_text(json_root(tree), "type", ""), "hello");
        if (!well) told_error(json_root(tree), message, size);
        json_free(tree);
        return well ? ENGINE_OK : ENGINE_ERROR;
    }
    return ENGINE_GONE;
}

static bool connected(Engine *engine) {
    engine->connection = transport_connect(names.version);
    return engine->connection >= 0;
}

/* Connect unless connected, starting the engine if none runs. */
static int reach(Engine *engine, const Asking *asking, char *message, size_t size) {
    if (engine->connection >= 0) return ENGINE_OK;
    if (transport_seconds() < engine->tired) {
        snprintf(message, size, "the engine cannot be reached; see rotograph doctor");
        return ENGINE_GONE;
    }
    double deadline = transport_seconds() + PATIENCE;
    long process = -1;
    int answer = ENGINE_GONE;
    snprintf(message, size, "the engine is not there; start one with: rotograph serve");
    while (transport_seconds() < deadline) {
        if (stopped(asking)) return ENGINE_ABORTED;
        if (process < 0 && connected(engine)) {
            answer = hello(engine, asking, message, size);
            if (answer != ENGINE_GONE) break;
            leave(engine);
        }
        if (transport_private()) break;
        if (process < 0 && (process = transport_start(names.version)) < 0) break;
        int started = transport_started(process);
        if (started < 0) {
            snprintf(message, size, "the engine cannot be started; is rotograph on the path, or named in ROTOGRAPH_ENGINE?");
            break;
        }
        if (started) process = -1;
        else {
            bool gone = false;
            transport_receive(-1, NULL, 0, (int[4]){0}, LOOK);
            (void)gone;
        }
    }
    if (answer != ENGINE_OK) leave(engine);
    if (answer == ENGINE_GONE || answer == ENGINE_ERROR) engine->tired = transport_seconds() + REST;
    return answer;
}

/* A segment with room; -1: none. */
static int room(Engine *engine, size_t size, const Asking *asking, bool *gone) {
    double deadline = transport_seconds() + PATIENCE;
    bool asked = false;
    while (!*gone && transport_seconds() < deadline && !stopped(asking)) {
        int found = -1;
        for (int i = 0; i < LENT; i++)
            if (!engine->lent[i].lent && (found < 0 || engine->lent[i].size >= size)) found = i;
        if (found >= 0 && engine->lent[found].size >= size) return found;
        if (found >= 0) {
            Lent *lent = &engine->lent[found];
            if (lent->map) memory_unmap(lent->map, lent->size);
            lent->size = (size + 4095) & ~(size_t)4095;
            int descriptor = memory_create(lent->size, &lent->map);
            if (descriptor < 0) {
                *lent = (Lent){0};
                return -1;
            }
            Text text = {0};
            text_format(&text, "{\"type\":\"segment\",\"segment\":%d,\"bytes\":%zu}", found, lent->size);
            *gone = !say(engine, &text, descriptor);
            text_free(&text);
            memory_close(descriptor);
            return *gone ? -1 : found;
        }
        if (!asked) {
            Text text = {0};
            text_put(&text, "{\"type\":\"reclaim\",\"segments\":[0,1,2,3]}");
            *gone = !say(engine, &text, -1);
            text_free(&text);
            asked = true;
        }
        /* only releases count here; whatever else comes is progress and may be left out */
        JsonTree *tree = hear(engine, LOOK, gone);
        const char *type = json_text(json_root(tree), "type", "");
        if (tree && (!strcmp(type, "result") || !strcmp(type, "error") || !strcmp(type, "need")) && engine->held_count < HELD)
            engine->held[engine->held_count++] = tree;
        else json_free(tree);
    }
    return -1;
}

static int send_frame(Engine *engine, const char *digest, const Asking *asking, bool *gone, char *message, size_t length) {
    Text picture = {0};
    size_t size = asking->frame ? asking->frame(asking->host, digest, &picture) : 0;
    int segment = size ? room(engine, size, asking, gone) : -1;
    int answer = ENGINE_NEEDS;
    if (segment >= 0 && asking->fill(asking->host, digest, engine->lent[segment].map)) {
        Text text = {0};
        text_format(&text, "{\"type\":\"frame\",\"id\":%llu,\"segment\":%d,\"digest\":\"%.32s\",\"picture\":",
                    (unsigned long long)++engine->count, segment, digest);
        text_add(&text, picture.data, picture.size);
        text_put(&text, "}");
        engine->lent[segment].lent = true;
        *gone = !say(engine, &text, -1);
        text_free(&text);
        answer = ENGINE_OK;
    } else if (!stopped(asking))
        snprintf(message, length, "the engine needs a frame of the plate that the host did not give; press Track");
    text_free(&picture);
    return answer;
}

static bool told_mattes(Engine *engine, const Json *value, Mattes *mattes) {
    const Json *list = json_get(value, "mattes");
    for (const Json *at = list ? list->child : NULL; at && mattes->count < MATTES; at = at->next) {
        Matte *made = &mattes->mattes[mattes->count];
        made->segment = (unsigned)json_number(at, "segment", 0);
        size_t offset = (size_t)json_number(at, "offset", 0), bytes = (size_t)json_number(at, "bytes", 0);
        const Json *box = json_get(at, "window");
        const Json *side = box ? box->child : NULL;
        for (int i = 0; i < 4 && side; i++, side = side->next) made->window[i] = (int)side->number;
        int64_t pixels = (int64_t)(made->window[2] - made->window[0]) * (made->window[3] - made->window[1]);
        snprintf(made->layer, sizeof made->layer, "%s", json_text(at, "layer", ""));
        made->alpha = NULL;
        for (int i = 0; i < RESULTS; i++)
            if (engine->results[i].map && engine->results[i].number == made->segment && pixels >= 0 &&
                (uint64_t)pixels * 4 == bytes && offset + bytes <= engine->results[i].size)
                made->alpha = (const float *)((const char *)engine->results[i].map + offset);
        if (!made->alpha) return false;
        mattes->count++;
    }
    return true;
}

/* All mattes of an answer lie in one segment. */
static void release(Engine *engine, unsigned segment) {
    Text text = {0};
    text_format(&text, "{\"type\":\"release\",\"segment\":%u}", segment);
    if (!say(engine, &text, -1)) leave(engine);
    text_free(&text);
}

static JsonTree *next(Engine *engine, bool *gone) {
    if (engine->held_count == 0) return hear(engine, LOOK, gone);
    JsonTree *first = engine->held[0];
    memmove(engine->held, engine->held + 1, sizeof engine->held - sizeof *engine->held);
    engine->held_count--;
    return first;
}

static bool cancel(Engine *engine, uint64_t id) {
    Text text = {0};
    text_format(&text, "{\"type\":\"cancel\",\"id\":%llu}", (unsigned long long)id);
    bool well = say(engine, &text, -1);
    text_free(&text);
    return well;
}

/* Read on until a request that was given up is answered: at most half a second. */
static void settle(Engine *engine, uint64_t id) {
    bool gone = !cancel(engine, id), ended = false;
    double deadline = transport_seconds() + 0.03;
    while (!gone && !ended && transport_seconds() < deadline) {
        JsonTree *tree = next(engine, &gone);
        const Json *message = json_root(tree);
        const char *type = json_text(message, "type", "");
        ended = (!strcmp(type, "result") || !strcmp(type, "error")) && (uint64_t)json_number(message, "id", -1) == id;
        if (ended && !strcmp(type, "result")) {
            const Json *list = json_get(json_get(message, "value"), "mattes");
            if (list && list->child) release(engine, (unsigned)json_number(list->child, "segment", 0));
        }
        json_free(tree);
    }
    if (gone || !ended) leave(engine); /* the engine gives up what nobody waits for */
}

static int converse(Engine *engine, const Text *body, const Asking *asking, Mattes *mattes, char *message, size_t size) {
    bool gone = false;
    uint64_t id = ++engine->count;
    Text text = {0};
    text_format(&text, "{\"id\":%llu,", (unsigned long long)id);
    text_add(&text, body->data, body->size);
    text_put(&text, "}");
    gone = !say(engine, &text, -1);
    text_free(&text);
    snprintf(message, size, "the engine ended");
    while (!gone) {
        if (stopped(asking)) {
            settle(engine, id);
            return ENGINE_ABORTED;
        }
        JsonTree *tree = next(engine, &gone);
        if (!tree) continue;
        const Json *said = json_root(tree);
        const char *type = json_text(said, "type", "");
        bool mine = (uint64_t)json_number(said, "id", -1) == id;
        int answer = -1;
        if (mine && !strcmp(type, "result")) {
            answer = ENGINE_OK;
            if (mattes && !told_mattes(engine, json_get(said, "value"), mattes)) gone = true;
        } else if (!strcmp(type, "error") && (mine || !json_get(said, "id"))) {
            told_error(said, message, size);
            answer = !strcmp(json_text(said, "kind", ""), "Cancelled") ? ENGINE_GONE : ENGINE_ERROR;
        } else if (mine && !strcmp(type, "progress")) {
            double total = json_number(said, "total", 0);
            if (asking->progress && total > 0) asking->progress(asking->host, json_number(said, "done", 0) / total);
        } else if (mine && !strcmp(type, "need")) {
            const Json *list = json_get(said, "digests");
            for (const Json *at = list ? list->child : NULL; at && !gone; at = at->next)
                if (at->kind == JSON_STRING && send_frame(engine, at->string, asking, &gone, message, size) != ENGINE_OK && !gone) {
                    json_free(tree);
                    settle(engine, id);
                    return stopped(asking) ? ENGINE_ABORTED : ENGINE_NEEDS;
                }
        }
        json_free(tree);
        if (answer >= 0 && !gone) {
            return answer;
        }
    }
    leave(engine);
    return ENGINE_GONE;
}

/* Take the lock, looking for abort meanwhile. */
static bool enter(Engine *engine, const Asking *asking) {
    while (pthread_mutex_trylock(&engine->lock)) {
        if (stopped(asking)) return false;
        transport_receive(-1, NULL, 0, (int[4]){0}, 5);
    }
    return true;
}

int engine_ask(Engine *engine, const Text *body, const Asking *asking, Mattes *mattes, char *message, size_t size) {
    if (body->failed) {
        snprintf(message, size, "out of memory");
        return ENGINE_ERROR;
    }
    if (!enter(engine, asking)) return ENGINE_ABORTED;
    int answer = ENGINE_GONE;
    /* an engine that died is started again once: nothing that was finished is computed anew */
    for (int attempt = 0; attempt < 2 && answer == ENGINE_GONE; attempt++) {
        answer = reach(engine, asking, message, size);
        if (answer != ENGINE_OK) break;
        if (mattes) mattes->count = 0;
        answer = converse(engine, body, asking, mattes, message, size);
    }
    if (answer == ENGINE_OK && mattes) return answer; /* locked until engine_release */
    pthread_mutex_unlock(&engine->lock);
    return answer;
}

void engine_release(Engine *engine, Mattes *mattes) {
    if (mattes->count) release(engine, mattes->mattes[0].segment);
    mattes->count = 0;
    pthread_mutex_unlock(&engine->lock);
}
