/* JSON without a library: what the engine, nodes.json and recipes say. */
#include "json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, BLOCK = 16384 };

void text_add(Text *text, const char *data, size_t size) {
    if (text->failed) return;
    if (text->size + size + 1 > text->room) {
        size_t room = (text->size + size + 1) * 2;
        char *grown = realloc(text->data, room);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->room = room;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = 0;
}

void text_put(Text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_format(Text *text, const char *format, ...) {
    char line[1024];
    va_list more;
    va_start(more, format);
    int size = vsnprintf(line, sizeof line, format, more);
    va_end(more);
    if (size < 0 || (size_t)size >= sizeof line) text->failed = true;
    else text_add(text, line, (size_t)size);
}

/* Bytes of the UTF-8 character at `at`, or 0 where there is none. */
static int character(const unsigned char *at) {
    int more = at[0] < 0x80 ? 0 : at[0] >= 0xC2 && at[0] < 0xE0 ? 1 : at[0] >= 0xE0 && at[0] < 0xF0 ? 2
             : at[0] >= 0xF0 && at[0] < 0xF5 ? 3 : -1;
    for (int i = 1; i <= more; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] >= 0xA0)) return 0;
    if ((at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] >= 0x90)) return 0;
    return more + 1;
}

void text_quote(Text *text, const char *string) {
    text_put(text, "\"");
    for (const unsigned char *at = (const unsigned char *)string; *at;) {
        int size = character(at);
        if (*at == '"' || *at == '\\') text_format(text, "\\%c", *at);
        else if (*at < 0x20 || size == 0) text_format(text, "\\u%04x", size ? *at : 0xFFFD);
        else text_add(text, (const char *)at, (size_t)size);
        at += size ? size : 1;
    }
    text_put(text, "\"");
}

void text_number(Text *text, double value) {
    char line[40];
    if (!isfinite(value)) value = 0;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(line, sizeof line, "%.*g", digits, value);
        if (strtod(line, NULL) == value) break;
    }
    for (char *at = line; *at; at++)
        if (*at == ',') *at = '.'; /* a host may have set a locale */
    text_put(text, line);
}

void text_free(Text *text) {
    free(text->data);
    memset(text, 0, sizeof *text);
}

typedef struct Block Block;
struct Block {
    Block *next;
    size_t used, room;
    _Alignas(16) char data[];
};

struct JsonTree {
    Json root;
    Block *blocks;
    char *text;
};

typedef struct {
    JsonTree *tree;
    char *at, *end;
    int depth;
} Reader;

static void *take(JsonTree *tree, size_t size) {
    size = (size + 15) & ~(size_t)15;
    if (!tree->blocks || tree->blocks->used + size > tree->blocks->room) {
        size_t room = size > BLOCK ? size : BLOCK;
        Block *block = malloc(sizeof *block + room);
        if (!block) return NULL;
        *block = (Block){.next = tree->blocks, .room = room};
        tree->blocks = block;
    }
    void *found = tree->blocks->data + tree->blocks->used;
    tree->blocks->used += size;
    return memset(found, 0, size);
}

static void blank(Reader *reader) {
    while (reader->at < reader->end && *reader->at <= ' ' && *reader->at > 0) reader->at++;
}

static int hex4(const char *at) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = at[i], digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* A string's characters, unescaped into memory of the tree: the text itself stays as it was. */
static const char *quoted(Reader *reader) {
    char *end = reader->at + 1;
    while (end < reader->end && *end != '"') end += *end == '\\' ? 2 : 1;
    if (end >= reader->end) return NULL;
    char *made = take(reader->tree, (size_t)(end - reader->at)), *out = made;
    if (!made) return NULL;
    for (char *at = reader->at + 1; at < end; at++) {
        int size = character((unsigned char *)at);
        if ((unsigned char)*at < 0x20 || !size) return NULL;
        if (*at != '\\') {
            *out++ = *at;
            while (--size) *out++ = *++at;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *known = strchr(from, *++at);
        if (known && *at) {
            *out++ = to[known - from];
            continue;
        }
        int code = *at == 'u' ? hex4(at + 1) : -1; /* the closing quote is no digit */
        if (code <= 0) return NULL;
        at += 4;
        if (code >> 11 == 0x1B) { /* half of a pair */
            int low = code < 0xDC00 && at[1] == '\\' && at[2] == 'u' ? hex4(at + 3) : 0;
            if (low >> 10 != 0x37) return NULL;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        int shift = code < 0x80 ? 0 : code < 0x800 ? 6 : code < 0x10000 ? 12 : 18;
        *out++ = (char)(shift ? 0xFF00 >> (shift / 6 + 1) | code >> shift : code);
        while (shift) *out++ = (char)(0x80 | (code >> (shift -= 6) & 63));
    }
    reader->at = end + 1;
    return made;
}

static bool word(Reader *reader, const char *expected) {
    size_t size = strlen(expected);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, expected, size)) return false;
    reader->at += size;
    return true;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* A number, whatever decimal point the host's locale has. */
static bool number(Reader *reader, double *value) {
    char line[64];
    size_t size = 0;
    while (reader->at + size < reader->end && size < sizeof line - 1 && reader->at[size] && strchr("+-.eE0123456789", reader->at[size])) {
        line[size] = reader->at[size];
        size++;
    }
    line[size] = 0;
    char *end = line + (*line == '-'), *point = strchr(line, '.');
    if (!digit(*end) || (*end == '0' && digit(end[1])) || (point && !digit(point[1]))) return false;
    *value = strtod(line, &end);
    if (*end == '.') {
        *end = ',';
        *value = strtod(line, &end);
    }
    if (size == 0 || *end) return false;
    reader->at += size;
    return true;
}

static bool value(Reader *reader, Json *into);

static bool inside(Reader *reader, Json *into, bool object) {
    Json **last = &into->child;
    char close = object ? '}' : ']';
    reader->at++;
    if (++reader->depth > DEEPEST) return false;
    blank(reader);
    if (reader->at < reader->end && *reader->at == close) {
        reader->at++;
        reader->depth--;
        return true;
    }
    for (;;) {
        Json *made = take(reader->tree, sizeof *made);
        if (!made) return false;
        if (object) {
            blank(reader);
            if (reader->at >= reader->end || *reader->at != '"' || !(made->name = quoted(reader))) return false;
            blank(reader);
            if (reader->at >= reader->end || *reader->at++ != ':') return false;
        }
        if (!value(reader, made)) return false;
        *last = made;
        last = &made->next;
        blank(reader);
        if (reader->at >= reader->end) return false;
        char found = *reader->at++;
        if (found == close) break;
        if (found != ',') return false;
    }
    reader->depth--;
    return true;
}

static bool value(Reader *reader, Json *into) {
    blank(reader);
    if (reader->at >= reader->end) return false;
    into->from = reader->at;
    bool well = true;
    switch (*reader->at) {
    case '{':
        into->kind = JSON_OBJECT;
        well = inside(reader, into, true);
        break;
    case '[':
        into->kind = JSON_ARRAY;
        well = inside(reader, into, false);
        break;
    case '"':
        into->kind = JSON_STRING;
        well = (into->string = quoted(reader)) != NULL;
        break;
    case 't':
        into->kind = JSON_TRUE;
        well = word(reader, "true");
        break;
    case 'f':
        into->kind = JSON_FALSE;
        well = word(reader, "false");
        break;
    case 'n':
        into->kind = JSON_NULL;
        well = word(reader, "null");
        break;
    default:
        into->kind = JSON_NUMBER;
        well = number(reader, &into->number);
    }
    into->to = reader->at;
    return well;
}

JsonTree *json_parse(const char *data, size_t size) {
    JsonTree *tree = calloc(1, sizeof *tree);
    if (!tree || !(tree->text = malloc(size + 1))) {
        free(tree);
        return NULL;
    }
    memcpy(tree->text, data, size);
    tree->text[size] = 0;
    Reader reader = {tree, tree->text, tree->text + size, 0};
    bool well = value(&reader, &tree->root);
    blank(&reader);
    if (!well || reader.at != reader.end) {
        json_free(tree);
        return NULL;
    }
    return tree;
}

void json_free(JsonTree *tree) {
    if (!tree) return;
    while (tree->blocks) {
        Block *next = tree->blocks->next;
        free(tree->blocks);
        tree->blocks = next;
    }
    free(tree->text);
    free(tree);
}

const Json *json_root(const JsonTree *tree) { return tree ? &tree->root : NULL; }

const Json *json_get(const Json *object, const char *name) {
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const Json *at = object->child; at; at = at->next)
        if (!strcmp(at->name, name)) return at;
    return NULL;
}


const Json *json_child(const Json *of) { return of ? of->child : NULL; }

const Json *json_first(const Json *object, const char *name) { return json_child(json_get(object, name)); }

void text_json(Text *text, const Json *value) {
    if (value) text_add(text, value->from, (size_t)(value->to - value->from));
    else text_put(text, "null");
}

const char *json_text(const Json *object, const char *name, const char *otherwise) {
    const Json *found = json_get(object, name);
    return found && found->kind == JSON_STRING ? found->string : otherwise;
}

int json_frame(const Json *value) { return value->name ? (int)strtod(value->name, NULL) : 0; }

const char *json_word(const Json *object, const char *name) { return json_text(object, name, ""); }

double json_number(const Json *object, const char *name, double otherwise) {
    const Json *found = json_get(object, name);
    return found && found->kind == JSON_NUMBER ? found->number : otherwise;
}

bool json_true(const Json *object, const char *name) {
    const Json *found = json_get(object, name);
    return found && found->kind == JSON_TRUE;
}
