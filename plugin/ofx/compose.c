/* From a node's parameters to its part of a graph. */
#include "plugin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USE_DETECT "use_detect"

/* Detect is a part of Roto only when the artist asks for it. */
static bool at_work(Instance *instance, const Json *part, bool several) {
    return !several || strcmp(json_text(part, "type", ""), "Detect") || param_int(instance, USE_DETECT);
}

const Json *first_part(Instance *instance) {
    const Json *parts = json_get(instance->node, "parts");
    const Json *first = parts ? parts->child : NULL;
    bool several = first && first->next;
    for (const Json *at = first; at; at = at->next)
        if (at_work(instance, at, several)) return at;
    return NULL;
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
    bool whole = !strcmp(json_text(said, "kind", ""), "int");
    unsigned keys = 0;
    if (json_true(said, "animated")) suites.param->key_count(param, &keys);
    if (keys < 2) {
        double value = number_at(param, whole, time);
        if (value == json_number(said, "default", 0)) return;
        text_put(text, ",");
        text_quote(text, json_text(said, "param", ""));
        text_put(text, ":");
        put_number(text, value, whole);
        return;
    }
    text_put(text, ",");
    text_quote(text, json_text(said, "param", ""));
    text_put(text, ":{\"keys\":{");
    const Json *frames = json_get(known->root, "frames");
    for (const Json *at = frames ? frames->child : NULL; at; at = at->next) {
        text_format(text, "%s\"%d\":", at == frames->child ? "" : ",", atoi(at->name));
        put_number(text, number_at(param, whole, atoi(at->name)), whole);
    }
    text_put(text, "}}");
}

static void put_names(Text *text, const char *value) {
    text_put(text, "[");
    for (bool first = true; *value; value += *value == ',') {
        while (isspace((unsigned char)*value)) value++;
        size_t size = strcspn(value, ",");
        char name[200];
        size_t kept = size < sizeof name ? size : sizeof name - 1;
        while (kept && isspace((unsigned char)value[kept - 1])) kept--;
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
    while (size && isspace((unsigned char)value[size - 1])) size--;
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
    const char *kind = json_text(said, "kind", ""), *name = json_text(said, "name", "");
    OfxParam param;
    if (suites.param->handle(instance->params, name, &param, NULL) != OFX_OK) return true;
    if (!strcmp(kind, "float") || !strcmp(kind, "int")) {
        put_numbers(text, said, param, known, time);
        return true;
    }
    text_put(text, ",");
    text_quote(text, json_text(said, "param", ""));
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
            snprintf(message, size, "%s: are not understood; undo the last edit", json_text(said, "label", ""));
            return false;
        }
    }
    return true;
}

bool compose(Instance *instance, const Recipe *known, double time, Text *made, char *message, size_t size) {
    const Json *nodes = json_get(known->root, "nodes"), *parts = json_get(instance->node, "parts");
    const Json *params = json_get(instance->node, "params");
    char before[128], gives[32];
    snprintf(before, sizeof before, "%.100s", json_text(known->root, "node", "plate"));
    snprintf(gives, sizeof gives, "%.30s", json_text(known->root, "gives", "Image"));
    int count = 0;
    for (const Json *at = nodes->child; at; at = at->next) count++;
    Text graph = {0};
    text_add(&graph, nodes->from, (size_t)(nodes->to - nodes->from) - 1);
    bool several = parts->child && parts->child->next, well = true;
    for (const Json *part = parts->child; part && well; part = part->next) {
        if (!at_work(instance, part, several)) continue;
        const char *type = json_text(part, "type", ""), *port = json_text(part, "port", "");
        char name[128];
        snprintf(name, sizeof name, "%c%.60s%d", tolower((unsigned char)type[0]), type + 1, ++count);
        text_format(&graph, ",\"%s\":{\"type\":\"%s\",\"inputs\":{\"plate\":\"plate\"", name, type);
        if (accepts(part, gives)) text_format(&graph, ",\"%s\":\"%s\"", port, before);
        else if (*port && !json_true(part, "optional")) {
            snprintf(message, size, "needs %s: put the Rotograph node that makes them right before it",
                     json_text(part, "port", ""));
            well = false;
        }
        text_put(&graph, "}");
        for (const Json *at = params->child; at && well; at = at->next)
            if (!strcmp(json_text(at, "part", ""), type)) well = put_param(instance, &graph, at, known, time, message, size);
        text_put(&graph, "}");
        snprintf(before, sizeof before, "%s", name);
        snprintf(gives, sizeof gives, "%.30s", json_text(part, "gives", ""));
    }
    text_put(&graph, "}");
    const Json *picture = json_get(known->root, "picture"), *frames = json_get(known->root, "frames");
    text_format(made, "{\"node\":\"%s\",\"gives\":\"%s\",\"nodes\":", before, gives);
    text_add(made, graph.data ? graph.data : "", graph.size);
    text_put(made, ",\"picture\":");
    text_add(made, picture->from, (size_t)(picture->to - picture->from));
    text_put(made, ",\"frames\":");
    text_add(made, frames->from, (size_t)(frames->to - frames->from));
    text_put(made, "}");
    if (graph.failed || made->failed) {
        snprintf(message, size, "out of memory");
        well = false;
    }
    text_free(&graph);
    return well;
}
