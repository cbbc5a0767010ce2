/* A conversation with the engine. One thread talks at a time; others wait and look for abort. */
#include "engine.h"

#include "line.h"
#include "platform.h"
#include "plugin.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK = 20, HELD = 64 };
static const double PATIENCE = 30.0, REST = 5.0;

struct Engine {
    pthread_mutex_t lock;
    Line line;
    const Asking *asking; /* who has the lock */
    double tired; /* until then no engine is looked for */
    long process; /* that is being started, or -1 */
    uint64_t count;
    JsonTree *held[HELD]; /* came while a segment was waited for */
    int held_count;
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
    engine->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    segments_open(&engine->line.segments);
    engine->line.connection = -1;
    engine->process = -1;
    return engine;
}

static void leave(Engine *engine) {
    line_leave(&engine->line);
    for (int i = 0; i < engine->held_count; i++) json_free(engine->held[i]);
    engine->held_count = 0;
}

void engine_free(Engine *engine) {
    if (!engine) return;
    leave(engine);
    segments_close(&engine->line.segments);
    free(engine->line.inbox);
    free(engine);
}

void engine_hope(Engine *engine) { engine->tired = 0; }

static bool stopped(const Asking *asking) { return asking && asking->aborted(asking->host); }

static bool say(Engine *engine, const Text *body, int descriptor) {
    const Asking *asking = engine->asking;
    return line_say(&engine->line, body, descriptor, asking->aborted, asking->host);
}

static JsonTree *hear(Engine *engine, int milliseconds, bool *gone) { return line_hear(&engine->line, milliseconds, gone); }

static void told_error(const Json *error, char *message, size_t size) {
    const char *node = json_word(error, "node"), *hint = json_word(error, "hint");
    const char *file = json_word(error, "file");
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
        bool well = !strcmp(json_word(json_root(tree), "type"), "hello");
        if (!well) told_error(json_root(tree), message, size);
        json_free(tree);
        return well ? ENGINE_OK : ENGINE_ERROR;
    }
    return ENGINE_GONE;
}

static bool connected(Engine *engine) {
    engine->line.connection = transport_connect(names.version);
    return engine->line.connection >= 0;
}

/* Connect unless connected, starting the engine if none runs. */
static int reach(Engine *engine, const Asking *asking, char *message, size_t size) {
    if (engine->line.connection >= 0) return ENGINE_OK;
    if (transport_seconds() < engine->tired) {
        snprintf(message, size, "%s", saying("reach"));
        return ENGINE_GONE;
    }
    double deadline = transport_seconds() + PATIENCE;
    int answer = ENGINE_GONE;
    snprintf(message, size, "%s", saying("serve"));
    while (transport_seconds() < deadline) {
        if (stopped(asking)) return ENGINE_ABORTED;
        if (engine->process < 0 && connected(engine)) {
            answer = hello(engine, asking, message, size);
            if (answer != ENGINE_GONE) break;
            leave(engine);
        }
        if (transport_private()) break;
        if (engine->process < 0 && (engine->process = transport_start(names.version)) < 0) break;
        int started = transport_started(engine->process);
        if (started < 0) {
            snprintf(message, size, "%s", saying("start"));
            break;
        }
        if (started) engine->process = -1;
        else transport_receive(-1, NULL, 0, (int[4]){0}, LOOK);
    }
    if (answer != ENGINE_OK) leave(engine);
    if (answer == ENGINE_GONE || answer == ENGINE_ERROR) engine->tired = transport_seconds() + REST;
    return answer;
}

/* Say something short; false: the engine is gone. */
static bool tell_engine(Engine *engine, int descriptor, const char *format, uint64_t number, size_t bytes) {
    Text text = {0};
    text_format(&text, format, (unsigned long long)number, bytes);
    bool well = say(engine, &text, descriptor);
    text_free(&text);
    return well;
}

/* Give back what was read, and by other threads too. */
static bool give_back(Engine *engine) {
    unsigned number;
    while (segments_back(&engine->line.segments, &number))
        if (!tell_engine(engine, -1, "{\"type\":\"release\",\"segment\":%llu}", number, 0)) return false;
    return true;
}

/* A segment with room; -1: none. */
static int room(Engine *engine, size_t size, const Asking *asking, bool *gone) {
    double deadline = transport_seconds() + PATIENCE;
    bool asked = false, full = true;
    while (full && !*gone && transport_seconds() < deadline && !stopped(asking)) {
        int descriptor, found = segments_room(&engine->line.segments, size, &descriptor, &full);
        if (descriptor >= 0) {
            *gone = !tell_engine(engine, descriptor, "{\"type\":\"segment\",\"segment\":%llu,\"bytes\":%zu}", (unsigned)found,
                                 engine->line.segments.lent[found].size);
            memory_close(descriptor);
        }
        if (found >= 0 && !*gone) return found;
        if (full && !asked) *gone = !tell_engine(engine, -1, "{\"type\":\"reclaim\",\"segments\":[0,1,2,3]}", 0, 0);
        asked = true;
        /* only releases count here; whatever else comes is progress and may be left out */
        JsonTree *tree = full && !*gone ? hear(engine, LOOK, gone) : NULL;
        const char *type = json_word(json_root(tree), "type");
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
    if (segment >= 0 && asking->fill(asking->host, digest, engine->line.segments.lent[segment].map)) {
        Text text = {0};
        text_format(&text, "{\"type\":\"frame\",\"id\":%llu,\"segment\":%d,\"digest\":\"%.32s\",\"picture\":",
                    (unsigned long long)++engine->count, segment, digest);
        text_add(&text, picture.data, picture.size);
        text_put(&text, "}");
        engine->line.segments.lent[segment].lent = true;
        *gone = !say(engine, &text, -1);
        text_free(&text);
        answer = ENGINE_OK;
    } else if (!stopped(asking))
        snprintf(message, length, "%s", saying("frame"));
    text_free(&picture);
    return answer;
}

/* All mattes of an answer lie in one segment. */
static bool told_mattes(Engine *engine, const Json *value, Mattes *mattes) {
    const Json *list = json_get(value, "mattes"), *first = list ? list->child : NULL;
    if (!first) return true;
    unsigned segment = (unsigned)json_number(first, "segment", 0);
    mattes->lying = segments_use(&engine->line.segments, segment, 0);
    if (mattes->lying < 0) return false;
    const Result *lies = &engine->line.segments.results[mattes->lying];
    bool well = true;
    for (const Json *at = first; at && mattes->count < MATTES && well; at = at->next) {
        Matte *made = &mattes->mattes[mattes->count++];
        size_t offset = (size_t)json_number(at, "offset", 0), bytes = (size_t)json_number(at, "bytes", 0);
        const Json *box = json_get(at, "window"), *side = box ? box->child : NULL;
        memset(made->window, 0, sizeof made->window);
        for (int i = 0; i < 4 && side; i++, side = side->next) made->window[i] = (int)side->number;
        int64_t width = (int64_t)made->window[2] - made->window[0], height = (int64_t)made->window[3] - made->window[1];
        snprintf(made->layer, sizeof made->layer, "%s", json_word(at, "layer"));
        made->alpha = (const uint16_t *)((const char *)lies->map + offset);
        well = (uint64_t)width < 1u << 31 && (uint64_t)height < 1u << 31 && (uint64_t)(width * height) * sizeof *made->alpha == bytes &&
               offset % sizeof *made->alpha == 0 && offset <= lies->size && bytes <= lies->size - offset &&
               (unsigned)json_number(at, "segment", 0) == segment;
        const Json *outline = json_get(at, "outline");
        offset = (size_t)json_number(outline, "offset", 0);
        made->points = (size_t)json_number(outline, "points", 0);
        made->outline = (const float *)((const char *)lies->map + offset);
        well = well && offset % sizeof *made->outline == 0 && offset <= lies->size && made->points <= (lies->size - offset) / (2 * sizeof *made->outline);
    }
    if (!well) engine_release(engine, mattes);
    return well;
}

static JsonTree *next(Engine *engine, bool *gone) {
    if (engine->held_count == 0) return hear(engine, LOOK, gone);
    JsonTree *first = engine->held[0];
    memmove(engine->held, engine->held + 1, sizeof engine->held - sizeof *engine->held);
    engine->held_count--;
    return first;
}

/* Read on until a request that was given up is answered: at most half a second. */
static void settle(Engine *engine, uint64_t id) {
    bool gone = !tell_engine(engine, -1, "{\"type\":\"cancel\",\"id\":%llu}", id, 0), ended = false;
    double deadline = transport_seconds() + 0.03;
    while (!gone && !ended && transport_seconds() < deadline) {
        JsonTree *tree = next(engine, &gone);
        const Json *message = json_root(tree);
        const char *type = json_word(message, "type");
        ended = (!strcmp(type, "result") || !strcmp(type, "error")) && (uint64_t)json_number(message, "id", -1) == id;
        const Json *list = ended ? json_get(json_get(message, "value"), "mattes") : NULL;
        if (list && list->child)
            gone = !tell_engine(engine, -1, "{\"type\":\"release\",\"segment\":%llu}",
                                (uint64_t)json_number(list->child, "segment", 0), 0);
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
    gone = !give_back(engine) || !say(engine, &text, -1);
    text_free(&text);
    snprintf(message, size, "%s", saying("ended"));
    while (!gone) {
        if (stopped(asking)) {
            settle(engine, id);
            return ENGINE_ABORTED;
        }
        JsonTree *tree = next(engine, &gone);
        if (!tree) continue;
        const Json *said = json_root(tree);
        const char *type = json_word(said, "type");
        bool mine = (uint64_t)json_number(said, "id", -1) == id;
        int answer = -1;
        if (mine && !strcmp(type, "result")) {
            answer = ENGINE_OK;
            const Json *value = json_get(said, "value");
            if (mattes && !told_mattes(engine, value, mattes)) gone = true;
            if (asking->told) text_put(asking->told, json_word(value, "prompt"));
        } else if (!strcmp(type, "error") && (mine || !json_get(said, "id"))) {
            told_error(said, message, size);
            answer = !strcmp(json_word(said, "kind"), "Cancelled") ? ENGINE_GONE : ENGINE_ERROR;
        } else if (mine && !strcmp(type, "progress")) {
            double total = json_number(said, "total", 0);
            if (asking->progress) asking->progress(asking->host, total > 0 ? json_number(said, "done", 0) / total : 0);
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
        if (answer >= 0 && !gone) return answer;
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
    if (mattes) mattes->count = 0, mattes->lying = -1;
    if (!enter(engine, asking)) return ENGINE_ABORTED;
    engine->asking = asking;
    int answer = ENGINE_GONE;
    /* an engine that died is started again once: nothing that was finished is computed anew */
    for (int attempt = 0; attempt < 2 && answer == ENGINE_GONE; attempt++) {
        answer = reach(engine, asking, message, size);
        if (answer != ENGINE_OK) break;
        answer = converse(engine, body, asking, mattes, message, size);
    }
    pthread_mutex_unlock(&engine->lock);
    return answer;
}

void engine_release(Engine *engine, Mattes *mattes) {
    if (mattes->lying >= 0) segments_return(&engine->line.segments, mattes->lying);
    mattes->lying = -1;
    mattes->count = 0;
}
