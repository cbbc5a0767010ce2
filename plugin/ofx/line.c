/* Messages to and from the engine as they lie on the wire (docs/wire.md): length, JSON, descriptors. */
#include "line.h"

#include "platform.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 16 << 20, MORE = 262144, LEAST = 65536 };
static const double PATIENCE = 30.0;

void line_leave(Line *line) {
    if (line->connection >= 0) transport_close(line->connection);
    line->connection = -1;
    segments_forget(&line->segments);
    for (int i = 0; i < line->descriptor_count; i++) memory_close(line->descriptors[i]);
    line->descriptor_count = 0;
    line->inbox_size = 0;
}

/* All of a message, with a descriptor beside its first byte. */
bool line_say(Line *line, const Text *body, int descriptor, bool (*stopped)(void *), void *host) {
    unsigned char header[4] = {(unsigned char)body->size, (unsigned char)(body->size >> 8),
                               (unsigned char)(body->size >> 16), (unsigned char)(body->size >> 24)};
    if (body->failed || body->size > LARGEST || line->connection < 0) return false;
    double began = transport_seconds();
    for (size_t done = 0; done < 4 + body->size;) {
        const void *from = done < 4 ? (const void *)(header + done) : body->data + done - 4;
        long sent = transport_send(line->connection, from, done < 4 ? 4 - done : body->size - (done - 4), descriptor);
        if (sent < 0 || transport_seconds() - began > PATIENCE || (sent == 0 && stopped && stopped(host))) return false;
        if (sent > 0) descriptor = -1;
        done += (size_t)sent;
    }
    return true;
}

/* A whole message in the inbox: its JSON, or NULL. */
static JsonTree *heard(Line *line, bool *broken) {
    if (line->inbox_size < 4) return NULL;
    const unsigned char *at = (const unsigned char *)line->inbox;
    size_t size = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (size == 0 || size > LARGEST) {
        *broken = true;
        return NULL;
    }
    if (line->inbox_size < 4 + size) return NULL;
    JsonTree *tree = json_parse(line->inbox + 4, size);
    line->inbox_size -= 4 + size;
    memmove(line->inbox, line->inbox + 4 + size, line->inbox_size);
    *broken = !tree;
    return tree;
}

static bool told_segment(Line *line, const Json *message) {
    unsigned number = (unsigned)json_number(message, "segment", 0);
    size_t size = (size_t)json_number(message, "bytes", 0);
    if (line->descriptor_count == 0) return false;
    int descriptor = line->descriptors[0];
    memmove(line->descriptors, line->descriptors + 1, sizeof line->descriptors - sizeof(int));
    line->descriptor_count--;
    return segments_told(&line->segments, number, size, descriptor);
}

/* The next message that is not about segments; NULL after a look without one. */
JsonTree *line_hear(Line *line, int milliseconds, bool *gone) {
    for (;;) {
        JsonTree *tree = heard(line, gone);
        if (*gone) return NULL;
        if (tree) {
            const Json *message = json_root(tree);
            const char *type = json_word(message, "type");
            if (!strcmp(type, "segment")) *gone = !told_segment(line, message);
            else if (!strcmp(type, "release")) {
                size_t number = (size_t)json_number(message, "segment", -1);
                if (number < LENT) line->segments.lent[number].lent = false;
            } else return tree;
            json_free(tree);
            if (*gone) return NULL;
            continue;
        }
        if (line->inbox_room - line->inbox_size < LEAST) {
            char *grown = realloc(line->inbox, line->inbox_size + MORE);
            if (!grown) {
                *gone = true;
                return NULL;
            }
            line->inbox = grown;
            line->inbox_room = line->inbox_size + MORE;
        }
        int came[4];
        long size = transport_receive(line->connection, line->inbox + line->inbox_size,
                                      line->inbox_room - line->inbox_size, came, milliseconds);
        for (int i = 0; i < 4; i++)
            if (came[i] >= 0) {
                if (line->descriptor_count < 8) line->descriptors[line->descriptor_count++] = came[i];
                else memory_close(came[i]);
            }
        if (size == 0) *gone = true;
        if (size <= 0) return NULL;
        line->inbox_size += (size_t)size;
        milliseconds = 0; /* a message that comes in drops must not keep anybody waiting */
    }
}
