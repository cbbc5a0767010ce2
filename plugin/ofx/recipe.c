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
    const Json *nodes = json_get(recipe->root, "nodes"), *frames = json_get(recipe->root, "frames");
    if (nodes && nodes->kind == JSON_OBJECT && frames && frames->kind == JSON_OBJECT && frames->child &&
        json_get(recipe->root, "picture") && (recipe->text = malloc(size + 1))) {
        memcpy(recipe->text, text, size + 1);
        return true;
    }
    recipe_free(recipe);
    return false;
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

const char *recipe_frame(const Recipe *recipe, int frame) {
    char name[16];
    snprintf(name, sizeof name, "%d", frame);
    return recipe->root ? json_text(json_get(recipe->root, "frames"), name, NULL) : NULL;
}

bool recipe_when(const Recipe *recipe, const char *digest, int near, int *frame) {
    const Json *frames = json_get(recipe->root, "frames");
    bool found = false;
    for (const Json *at = frames ? frames->child : NULL; at; at = at->next)
        if (at->kind == JSON_STRING && !strcmp(at->string, digest)) {
            int here = atoi(at->name);
            if (!found || abs(here - near) < abs(*frame - near)) *frame = here;
            found = true;
        }
    return found;
}

int recipe_frames(const Recipe *recipe) {
    int count = 0;
    const Json *frames = json_get(recipe->root, "frames");
    for (const Json *at = frames ? frames->child : NULL; at; at = at->next) count++;
    return count;
}

static bool place(char *path, size_t size) {
    char cache[3800];
    return platform_cache(cache, sizeof cache) && snprintf(path, size, "%s/recipes", cache) < (int)size;
}

static char *load(const char *folder, const char *name, size_t *size) {
    char path[4096];
    if (strlen(name) > 64 || strspn(name, "0123456789abcdef.json") != strlen(name)) return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return platform_read(path, size, LARGEST);
}

void recipe_keep(const char *picture, int frame, const char *recipe_text) {
    char folder[4000], digest[DIGEST_TEXT], name[48];
    unsigned char made[DIGEST];
    if (!place(folder, sizeof folder)) return;
    blake2b(made, DIGEST, "rotograph.recipe", recipe_text, strlen(recipe_text));
    digest_text(made, digest);
    snprintf(name, sizeof name, "%s.json", digest);
    Text text = {0};
    text_format(&text, "[{\"frame\":%d,\"recipe\":\"%s\"}", frame, digest);
    size_t size;
    char *before = load(folder, picture, &size);
    JsonTree *tree = before ? json_parse(before, size) : NULL;
    const Json *list = json_root(tree);
    bool newest = true, known = false;
    int count = 1;
    for (const Json *at = list && list->kind == JSON_ARRAY ? list->child : NULL; at && count < CANDIDATES; at = at->next) {
        const char *other = json_text(at, "recipe", "");
        bool same = !strcmp(other, digest) && (int)json_number(at, "frame", 0) == frame;
        if (same && newest) known = true;
        newest = false;
        if (!same && strlen(other) == DIGEST_TEXT - 1) {
            text_format(&text, ",{\"frame\":%d,\"recipe\":\"%s\"}", (int)json_number(at, "frame", 0), other);
            count++;
        }
    }
    text_put(&text, "]");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t there;
    char *kept = known ? platform_read(path, &there, LARGEST) : NULL;
    if (!kept) {
        if (platform_write(folder, name, recipe_text, strlen(recipe_text)) && !text.failed)
            platform_write(folder, picture, text.data, text.size);
    }
    free(kept);
    json_free(tree);
    free(before);
    text_free(&text);
}

static bool accepted(const Recipe *recipe, const Json *accepts) {
    if (!accepts) return true;
    const char *gives = json_text(recipe->root, "gives", "");
    for (const Json *at = accepts->child; at; at = at->next)
        if (at->kind == JSON_STRING && !strcmp(at->string, gives)) return true;
    return false;
}

bool recipe_find(Recipe *recipe, const char *picture, const Json *accepts, const char *preferred, int *frame) {
    char folder[4000], name[48];
    size_t size;
    if (!place(folder, sizeof folder)) return false;
    char *data = load(folder, picture, &size);
    JsonTree *tree = data ? json_parse(data, size) : NULL;
    const Json *list = json_root(tree);
    bool found = false;
    for (const Json *at = list && list->kind == JSON_ARRAY ? list->child : NULL; at; at = at->next) {
        Recipe candidate;
        size_t length;
        snprintf(name, sizeof name, "%.32s.json", json_text(at, "recipe", ""));
        char *text = load(folder, name, &length);
        bool well = text && recipe_read(&candidate, text);
        bool first = well && preferred && !strcmp(preferred, text);
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
    free(data);
    return found;
}
