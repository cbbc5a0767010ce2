/* Prompts as a parameter holds them: a JSON array, each a point, a box or a mask on a frame, for a
 * layer. What is not touched by an edit stays as it was written, letter by letter. */
#ifndef ROTOGRAPH_PROMPT_H
#define ROTOGRAPH_PROMPT_H

#include "json.h"

typedef enum { PROMPT_POINT, PROMPT_BOX, PROMPT_MASK } PromptKind;

typedef struct {
    PromptKind kind;
    int frame;
    bool positive;
    const char *layer;
    const Json *place; /* its numbers in the text */
    float at[4];       /* plate pixels, y down: x, y of a point; x0, y0, x1, y1 of a box */
} Prompt;

/* NULL: it is not understood. A blank text says nothing. */
JsonTree *prompts_read(const char *text);
bool prompt_read(const Json *entry, Prompt *prompt); /* false: it cannot be shown */
/* The text after an edit: `index` of the list moved to where `what` lies, or without `what` taken
 * out; an index of -1 adds `what`, and `first` before it, a prompt's text or nothing. */
void prompts_write(Text *made, const JsonTree *tree, int index, const Prompt *what, const Text *first);

#endif
