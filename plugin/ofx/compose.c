/* From a node's parameters to its part of a graph. */
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USE_DETECT "use_detect"

static OfxParam param_of(Instance *instance, const Json *said) {
    OfxParam param;
    return suites.param->handle(instance->params, json_word(said, "name"), &param, NULL) == OFX_OK ? param : NULL;
}

/* What a parameter of an operator says as a text, or nothing. */
static const char *says(Instance *instance, const char *part, const char *param) {
    for (const Json *at = json_first(instance->node, "params"); at; at = at->next)
        if (!strcmp(json_word(at, "part"), part) && !strcmp(json_word(at, "param"), param))
            return param_string(instance, json_word(at, "name"));
    return "";
}

static const Json *parts_of(Instance *instance) { return json_first(instance->node, "parts"); }

/* Detect is a part of Roto only when the artist asks for it. */
static bool at_work(Instance *instance, const Json *part) {
    return !parts_of(instance)->next || strcmp(json_word(part, "type"), "Detect") || param_int(instance, USE_DETECT);
}

const Json *first_part(Instance *instance) {
    const Json *at = parts_of(instance);
    while (at && !at_work(instance, at)) at = at->next;
    return at;
}

/* Of Roto it is Track, where anchors are named and there are no prompts. */
const Json *outside_part(Instance *instance) {
    const Json *first = parts_of(instance), *at = first;
    if (first && first->next) {
        if (!*says(instance, "Track", "anchors") || *says(instance, "Segment", "prompts")) return NULL;
        while (at && strcmp(json_word(at, "type"), "Track")) at = at->next;
    }
    return at && json_get(at, "outside") ? at : NULL;
}

bool frameless(Instance *instance) {
    for (const Json *at = json_first(instance->node, "params"); at; at = at->next) {
        const char *kind = json_word(at, "kind");
        OfxParam param = param_of(instance, at);
        unsigned keys = 0;
        if (param && json_true(at, "animated")) suites.param->key_count(param, &keys);
        if (keys > 1 || ((!strcmp(kind, "prompts") || !strcmp(kind, "frames")) && *param_string(instance, json_word(at, "name")))) return false;
    }
    return true;
}

static bool accepts(const Json *part, const char *gives) {
    const Json *list = json_get(part, "accepts");
    for (const Json *at = list ? list->child : NULL; at; at = at->next)
        if (at->kind == JSON_STRING && !strcmp(at->string, gives)) return true;
    return false;
}

static void put_number(Text *text, double value, bool whole) {
    if (whole) text_format(text, "%.0f", value);
    else text_number(text, value);
}

static double number_at(OfxParam param, bool whole, double time) {
    int integer = 0;
    double value = 0;
    if (whole) suites.param->get_at(param, time, &integer);
    else suites.param->get_at(param, time, &value);
    return whole ? integer : value;
}

/* A number, or keyframes on every frame of the plate: a host's curves are no straight lines. */
static void put_numbers(Text *text, const Json *said, OfxParam param, const Recipe *known, double time) {
    bool whole = !strcmp(json_word(said, "kind"), "int");
    unsigned keys = 0;
    if (json_true(said, "animated")) suites.param->key_count(param, &keys);
    if (keys < 2) {
        double value = number_at(param, whole, time);
        if (value == json_number(said, "default", 0)) return;
        text_put(text, ",");
        text_quote(text, json_word(said, "param"));
        text_put(text, ":");
        put_number(text, value, whole);
        return;
    }
    text_put(text, ",");
    text_quote(text, json_word(said, "param"));
    text_put(text, ":{\"keys\":{");
    const Json *first = json_first(recipe_plate(known, "plate"), "frames");
    for (const Json *at = first; at; at = at->next) {
        int frame = json_frame(at);
        text_format(text, "%s\"%d\":", at == first ? "" : ",", frame);
        put_number(text, number_at(param, whole, frame), whole);
    }
    text_put(text, "}}");
}

static bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void put_names(Text *text, const char *value) {
    text_put(text, "[");
    for (bool first = true; *value; value += *value == ',') {
        while (blank(*value)) value++;
        size_t size = 0;
        while (value[size] && value[size] != ',') size++;
        char name[200];
        size_t kept = size < sizeof name ? size : sizeof name - 1;
        while (kept && blank(value[kept - 1])) kept--;
        memcpy(name, value, kept);
        name[kept] = 0;
        if (kept) {
            if (!first) text_put(text, ",");
            text_quote(text, name);
            first = false;
        }
        value += size;
    }
    text_put(text, "]");
}

/* The prompts as they are; of a plate of which one frame is known, those of that frame. */
static bool put_prompts(Text *text, const char *value, const Recipe *known) {
    size_t size = strlen(value);
    while (size && blank(value[size - 1])) size--;
    if (size == 0) {
        text_put(text, "[]");
        return true;
    }
    JsonTree *tree = json_parse(value, size);
    const Json *list = json_root(tree);
    bool well = list && list->kind == JSON_ARRAY, first = true;
    text_put(text, "[");
    for (const Json *at = well ? list->child : NULL; at; at = at->next) {
        if (recipe_frames(known) == 1 && !recipe_frame(known, (int)json_number(at, "frame", 0))) continue;
        if (!first) text_put(text, ",");
        text_add(text, at->from, (size_t)(at->to - at->from));
        first = false;
    }
    text_put(text, "]");
    json_free(tree);
    return well;
}

static bool put_param(Instance *instance, Text *text, const Json *said, const Recipe *known, double time, char *message, size_t size) {
    const char *kind = json_word(said, "kind");
    OfxParam param = param_of(instance, said);
    if (!param) return true;
    if (!strcmp(kind, "float") || !strcmp(kind, "int")) {
        put_numbers(text, said, param, known, time);
        return true;
    }
    text_put(text, ",");
    text_quote(text, json_word(said, "param"));
    text_put(text, ":");
    int integer = 0;
    if (!strcmp(kind, "bool")) {
        suites.param->get(param, &integer);
        text_put(text, integer ? "true" : "false");
    } else if (!strcmp(kind, "choice")) {
        suites.param->get(param, &integer);
        const Json *choices = json_get(said, "choices"), *at = choices ? choices->child : NULL;
        while (at && integer-- > 0) at = at->next;
        text_quote(text, at ? at->string : "");
    } else {
        char *value = NULL;
        suites.param->get(param, &value);
        if (!value) value = "";
        if (!strcmp(kind, "names")) put_names(text, value);
        else if (strcmp(kind, "prompts")) text_quote(text, value);
        else if (!put_prompts(text, value, known)) {
            snprintf(message, size, "%s: %s", json_word(said, "label"), saying("prompts"));
            return false;
        }
    }
    return true;
}

/* A graph that grows, and the plates that its Read nodes stand for. */
typedef struct {
    Text nodes, plates;
    int count;
    char before[128]; /* the last node */
    const char *gives; /* what it gives */
} Graph;

/* A Read node for a picture that is wired to the node itself. */
static void put_read(Graph *graph, const char *port, const Json *plate, char name[128]) {
    snprintf(name, 128, "%.60s%d", port, ++graph->count);
    text_format(&graph->nodes, ",\"%s\":{\"type\":\"Read\",\"file\":\"\"}", name);
    text_format(&graph->plates, ",\"%s\":", name);
    text_json(&graph->plates, plate);
}

/* An alpha that came in from outside, as what the operator takes. */
static void put_outside(Graph *graph, const Json *part, const Json *plate) {
    char read[128];
    const char *type = json_word(part, "outside");
    put_read(graph, "outside", plate, read);
    snprintf(graph->before, sizeof graph->before, "matte%d", ++graph->count);
    text_format(&graph->nodes, ",\"%s\":{\"type\":\"%s\",\"inputs\":{\"plate\":\"plate\",\"picture\":\"%s\"}}", graph->before, type, read);
    graph->gives = json_word(part, "takes");
}

static bool put_part(Instance *instance, Graph *graph, const Json *part, const Recipe *known, double time, char *message, size_t size) {
    const char *type = json_word(part, "type"), *port = json_word(part, "port");
    Text *nodes = &graph->nodes, inputs = {0};
    for (const Json *at = json_first(part, "ports"); at; at = at->next) {
        const Json *plate = at->string ? recipe_own(known, at->string) : NULL;
        char read[128];
        if (!plate) continue;
        put_read(graph, at->string, plate, read);
        text_format(&inputs, ",\"%s\":\"%s\"", at->string, read);
    }
    char name[128];
    snprintf(name, sizeof name, "%c%.60s%d", type[0] | 32, type + 1, ++graph->count);
    text_format(nodes, ",\"%s\":{\"type\":\"%s\",\"inputs\":{\"plate\":\"plate\"", name, type);
    if (inputs.size) text_add(nodes, inputs.data, inputs.size);
    bool alone = !inputs.size;
    text_free(&inputs);
    if (accepts(part, graph->gives)) text_format(nodes, ",\"%s\":\"%s\"", port, graph->before);
    else if (*port && !json_true(part, "optional") && alone) {
        snprintf(message, size, "needs %s: %s", port, saying("needs"));
        return false;
    }
    text_put(nodes, "}");
    bool well = true;
    for (const Json *at = json_first(instance->node, "params"); at && well; at = at->next)
        if (!strcmp(json_word(at, "part"), type)) well = put_param(instance, nodes, at, known, time, message, size);
    text_put(nodes, "}");
    memcpy(graph->before, name, sizeof name);
    graph->gives = json_word(part, "gives");
    return well;
}

bool compose(Instance *instance, const Recipe *known, double time, Text *made, char *message, size_t size) {
    const Json *nodes = json_get(known->root, "nodes"), *plates = json_get(known->root, "plates");
    const Json *outside = recipe_own(known, "outside"), *begin = outside ? outside_part(instance) : NULL;
    Graph graph = {.gives = json_word(known->root, "gives")};
    snprintf(graph.before, sizeof graph.before, "%.100s", json_word(known->root, "node"));
    for (const Json *at = nodes->child; at; at = at->next) graph.count++;
    text_add(&graph.nodes, nodes->from, (size_t)(nodes->to - nodes->from) - 1);
    text_add(&graph.plates, plates->from, (size_t)(plates->to - plates->from) - 1);
    if (begin) put_outside(&graph, begin, outside);
    bool well = true;
    for (const Json *part = begin ? begin : parts_of(instance); part && well; part = part->next)
        if (at_work(instance, part)) well = put_part(instance, &graph, part, known, time, message, size);
    text_format(made, "{\"node\":\"%s\",\"gives\":\"%s\",\"nodes\":", graph.before, graph.gives);
    if (graph.nodes.data) text_add(made, graph.nodes.data, graph.nodes.size);
    text_put(made, "},\"plates\":");
    if (graph.plates.data) text_add(made, graph.plates.data, graph.plates.size);
    text_put(made, "}}");
    if (well && (graph.nodes.failed || graph.plates.failed || made->failed)) {
        snprintf(message, size, "out of memory");
        well = false;
    }
    text_free(&graph.nodes);
    text_free(&graph.plates);
    return well;
}
