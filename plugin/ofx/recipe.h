/* Recipes: what made a picture. A recipe is a text, JSON:
 *
 *   {"node": "matte4", "gives": "Mattes", "nodes": {…},
 *    "plates": {"plate": {"picture": {…}, "frames": {"1001": "…"}}, …}}
 *
 * nodes: a graph without files, whose Read nodes are named in plates; node: the one whose result the
 * picture's alpha is. plates: "plate" by digests of its RGB; others are what was wired beside it. What
 * a node keeps in its hidden parameter has more: "own", plates of its own inputs by the names of their
 * ports, and "shift", what to add to a frame of the host for the recipe's. Recipes lie in the store,
 * as files whose names are digests:
 *
 *   <store>/recipes/ab/abcd…    the recipe with that digest, or which recipes gave the picture with
 *                               that digest, newest first
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
bool recipe_take(Recipe *into, Text *text);          /* in the place of what was there; frees the text */
void recipe_free(Recipe *recipe);
bool recipe_copy(Recipe *to, const Recipe *from);

/* {"picture", "frames"} of a plate, or of an input of the node's own; NULL: there is none. */
const Json *recipe_plate(const Recipe *recipe, const char *name);
const Json *recipe_own(const Recipe *recipe, const char *name);
int recipe_shift(const Recipe *recipe);
/* The digest on a frame, or NULL; whether it is this one; how many frames are known. */
const char *plate_frame(const Json *plate, int frame);
bool plate_shows(const Json *plate, int frame, const char *digest);
int plate_frames(const Json *plate);
/* The frame of a digest; false: none. The one nearest to `near`. */
bool plate_when(const Json *plate, const char *digest, int near, int *frame);
/* As text, with another digest on one frame. */
void plate_put(Text *text, const Json *plate, int frame, const char *digest);

/* Of "plate". */
const char *recipe_frame(const Recipe *recipe, int frame);
int recipe_frames(const Recipe *recipe);

/* Remember that this picture (digest of its RGBA), shown on a frame, was made by a recipe. */
void recipe_keep(const char *picture, int frame, const char *recipe_text);
/* What made a picture: a recipe that gives one of `accepts` (a JSON array, NULL: anything). When
 * several did, the one that `preferred` began as if it is among them, else the newest. frame: on which
 * it was shown. */
bool recipe_find(Recipe *recipe, const char *picture, const Json *accepts, const char *preferred, int *frame);

#endif
