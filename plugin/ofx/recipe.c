/* Recipes as texts, and where they are kept. */
#include "recipe.h"

#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES = 6, LARGEST = 16 << 20 };

bool recipe_read(Recipe *recipe, const char *text) {
    *recipe = (Recipe){0};
    size_t size = text ? strlen(text) : 0;
    if (size == 0 || !(recipe->tree = json_parse(text, size))) return false;
    recipe->root = json_root(recipe->tree);
    const Json *nodes = json_get(recipe->root, "nodes"), *plate = recipe_plate(recipe, "plate");
    if (nodes && nodes->kind == JSON_OBJECT && nodes->child && plate_frames(plate) && json_get(plate, "picture") &&
        (recipe->text = malloc(size + 1))) {
        memcpy(recipe->text, text, size + 1);
        return true;
    }
    recipe_free(recipe);
    return false;
}

bool recipe_take(Recipe *into, Text *text) {
    Recipe made;
    bool well = !text->failed && recipe_read(&made, text->data);
    if (well) {
        recipe_free(into);
        *into = made;
    }
    text_free(text);
    return well;
}

void recipe_free(Recipe *recipe) {
    json_free(recipe->tree);
    free(recipe->text);
    *recipe = (Recipe){0};
}

bool recipe_copy(Recipe *to, const Recipe *from) {
    recipe_free(to);
    return from->text && recipe_read(to, from->text);
}

const Json *recipe_plate(const Recipe *recipe, const char *name) { return json_get(json_get(recipe->root, "plates"), name); }

const Json *recipe_own(const Recipe *recipe, const char *name) { return json_get(json_get(recipe->root, "own"), name); }

int recipe_shift(const Recipe *recipe) { return (int)json_number(recipe->root, "shift", 0); }

const char *plate_frame(const Json *plate, int frame) {
    char name[16];
    snprintf(name, sizeof name, "%d", frame);
    return json_text(json_get(plate, "frames"), name, NULL);
}

bool plate_shows(const Json *plate, int frame, const char *digest) {
    const char *found = plate_frame(plate, frame);
    return found && !strcmp(found, digest);
}

int plate_frames(const Json *plate) {
    int count = 0;
    for (const Json *at = json_first(plate, "frames"); at; at = at->next) count++;
    return count;
}

bool plate_when(const Json *plate, const char *digest, int near, int *frame) {
    bool found = false;
    for (const Json *at = json_first(plate, "frames"); at; at = at->next)
        if (at->kind == JSON_STRING && !strcmp(at->string, digest)) {
            int here = json_frame(at);
            if (!found || abs(here - near) < abs(*frame - near)) *frame = here;
            found = true;
        }
    return found;
}

void plate_put(Text *text, const Json *plate, int frame, const char *digest) {
    text_put(text, "{\"picture\":");
    text_json(text, json_get(plate, "picture"));
    text_put(text, ",\"frames\":{");
    const Json *first = json_first(plate, "frames");
    for (const Json *at = first; at; at = at->next) {
        int here = json_frame(at);
        text_format(text, "%s\"%d\":\"%.32s\"", at == first ? "" : ",", here, here == frame ? digest : at->string ? at->string : "");
    }
    text_put(text, "}}");
}

const char *recipe_frame(const Recipe *recipe, int frame) { return plate_frame(recipe_plate(recipe, "plate"), frame); }

int recipe_frames(const Recipe *recipe) { return plate_frames(recipe_plate(recipe, "plate")); }

/* The folder of a digest's file; false: there is no store, or it is no digest. */
static bool place(char *path, size_t size, const char *digest) {
    char cache[3800];
    for (const char *at = digest; *at; at++)
        if (!((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'))) return false;
    return strlen(digest) == DIGEST_TEXT - 1 && platform_cache(cache, sizeof cache) && snprintf(path, size, "%s/recipes/%.2s", cache, digest) < (int)size;
}

/* A file and its use, which keeps it from being evicted. */
static char *load(const char *digest, size_t *size) {
    char folder[4000], path[4096];
    if (!place(folder, sizeof folder, digest)) return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, digest);
    char *data = platform_read(path, size, LARGEST);
    if (data) platform_touch(path);
    return data;
}

static bool save(const char *digest, const Text *text) {
    char folder[4000];
    return !text->failed && place(folder, sizeof folder, digest) && platform_write(folder, digest, text->data, text->size);
}

static JsonTree *candidates(const char *picture) {
    size_t size;
    char *data = load(picture, &size);
    JsonTree *tree = data ? json_parse(data, size) : NULL;
    free(data);
    return tree;
}

static const Json *listed(JsonTree *tree) {
    const Json *list = json_root(tree);
    return list && list->kind == JSON_ARRAY ? list->child : NULL;
}

void recipe_keep(const char *picture, int frame, const char *recipe_text) {
    char digest[DIGEST_TEXT];
    unsigned char made[DIGEST];
    blake2b(made, DIGEST, "rotograph.recipe", recipe_text, strlen(recipe_text));
    digest_text(made, digest);
    Text text = {0}, recipe = {0};
    text_format(&text, "[{\"frame\":%d,\"recipe\":\"%s\"}", frame, digest);
    JsonTree *tree = candidates(picture);
    bool newest = true, known = false;
    int count = 1;
    for (const Json *at = listed(tree); at && count < CANDIDATES; at = at->next, newest = false) {
        const char *other = json_word(at, "recipe");
        int shown = (int)json_number(at, "frame", 0);
        bool same = !strcmp(other, digest) && shown == frame;
        known |= same && newest;
        if (same || strlen(other) != DIGEST_TEXT - 1) continue;
        text_format(&text, ",{\"frame\":%d,\"recipe\":\"%s\"}", shown, other);
        count++;
    }
    text_put(&text, "]");
    size_t size;
    char *kept = known ? load(digest, &size) : NULL;
    if (!kept) {
        text_put(&recipe, recipe_text);
        if (save(digest, &recipe)) save(picture, &text);
    }
    free(kept);
    json_free(tree);
    text_free(&recipe);
    text_free(&text);
}

static bool accepted(const Recipe *recipe, const Json *accepts) {
    const char *gives = json_word(recipe->root, "gives");
    for (const Json *at = accepts ? accepts->child : NULL; at; at = at->next)
        if (at->kind == JSON_STRING && !strcmp(at->string, gives)) return true;
    return !accepts;
}

bool recipe_find(Recipe *recipe, const char *picture, const Json *accepts, const char *preferred, int *frame) {
    JsonTree *tree = candidates(picture);
    bool found = false;
    for (const Json *at = listed(tree); at; at = at->next) {
        Recipe candidate;
        size_t length;
        char *text = load(json_word(at, "recipe"), &length);
        bool well = text && recipe_read(&candidate, text);
        bool first = well && preferred && !strncmp(preferred, text, length - 1);
        free(text);
        if (!well) continue;
        if (accepted(&candidate, accepts) && (!found || first)) {
            if (found) recipe_free(recipe);
            *recipe = candidate;
            *frame = (int)json_number(at, "frame", 0);
            found = true;
        } else
            recipe_free(&candidate);
    }
    json_free(tree);
    return found;
}
