/* JSON: a text written piece by piece, and a parsed one that points into its text. */
#ifndef ROTOGRAPH_JSON_H
#define ROTOGRAPH_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A growing text. After memory ran out `failed` is set and nothing more is added. */
typedef struct {
    char *data;
    size_t size, room;
    bool failed;
} Text;

void text_add(Text *text, const char *data, size_t size);
void text_put(Text *text, const char *string);
void text_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_quote(Text *text, const char *string); /* as a JSON string, UTF-8 made whole */
void text_number(Text *text, double value);       /* shortest form that reads back the same */
void text_free(Text *text);

typedef enum { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } JsonKind;

/* A value. An object's children are its values, whose names are in `name`; strings are unescaped
 * and end with a zero. `from` to `to` is the value's own text. */
typedef struct Json Json;
struct Json {
    JsonKind kind;
    const char *name;
    const char *string;
    double number;
    const char *from, *to;
    Json *child, *next;
};

/* NULL for what is no JSON or lies too deep. `size` bytes; freed as one by json_free. */
typedef struct JsonTree JsonTree;
JsonTree *json_parse(const char *data, size_t size);
void json_free(JsonTree *tree);
const Json *json_root(const JsonTree *tree);

const Json *json_get(const Json *object, const char *name);
const Json *json_child(const Json *of); /* the first, or NULL; of may be NULL */
const Json *json_first(const Json *object, const char *name); /* what the value of that name begins with, or NULL */
const char *json_text(const Json *object, const char *name, const char *otherwise);
int json_frame(const Json *value); /* what its name is as a number */
const char *json_word(const Json *object, const char *name); /* else nothing: "" */
double json_number(const Json *object, const char *name, double otherwise);
bool json_true(const Json *object, const char *name);
/* A value's own text; null for none. */
void text_json(Text *text, const Json *value);

#endif
