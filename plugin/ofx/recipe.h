/* Recipes: what made a picture. A recipe is a text, JSON:
 *
 *   {"node": "matte4", "gives": "Mattes", "nodes": {…}, "picture": {…}, "frames": {"1001": "…"}}
 *
 * nodes: a graph without files, whose Read node is "plate"; node: the one whose result the picture's
 * alpha is. picture, frames: the plate, by digests of its RGB. Recipes lie in the store's folder:
 *
 *   <store>/recipes/<digest of the text>.json      the recipe
 *   <store>/recipes/<digest of a picture>          which recipes gave that picture, newest first
 *
 * A lost file costs nothing but identity: the picture then counts as an unknown one.
 */
#ifndef ROTOGRAPH_RECIPE_H
#define ROTOGRAPH_RECIPE_H

#include "digest.h"
#include "json.h"

typedef struct {
    char *text;
    JsonTree *tree;
    const Json *root;
} Recipe;

bool recipe_read(Recipe *recipe, const char *text); /* takes a copy; false: it is none */
void recipe_free(Recipe *recipe);
bool recipe_copy(Recipe *to, const Recipe *from);

/* The plate's digest on a frame, or NULL. */
const char *recipe_frame(const Recipe *recipe, int frame);
/* The frame of a digest; false: none. The one nearest to `near`. */
bool recipe_when(const Recipe *recipe, const char *digest, int near, int *frame);
int recipe_frames(const Recipe *recipe);

/* Remember that this picture (digest of its RGBA), shown on a frame, was made by a recipe. */
void recipe_keep(const char *picture, int frame, const char *recipe_text);
/* What made a picture: a recipe that gives one of `accepts` (a JSON array, NULL: anything). When
 * several did, `preferred` if it is among them, else the newest. frame: on which it was shown. */
bool recipe_find(Recipe *recipe, const char *picture, const Json *accepts, const char *preferred, int *frame);

#endif
