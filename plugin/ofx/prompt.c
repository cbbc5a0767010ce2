/* Reading and editing the text of a Prompts parameter. */
#include "prompt.h"

#include "plugin.h"

#include <string.h>

static const double FAR = 1e7;

JsonTree *prompts_read(const char *text) {
    if (!text[strspn(text, " \t\r\n")]) text = "[]";
    JsonTree *tree = json_parse(text, strlen(text));
    if (tree && json_root(tree)->kind == JSON_ARRAY) return tree;
    json_free(tree);
    return NULL;
}

/* No number, or none of a plate. */
static bool far(const Json *number) { return number->kind != JSON_NUMBER || !(number->number > -FAR && number->number < FAR); }

bool prompt_read(const Json *entry, Prompt *prompt) {
    const Json *positive = json_get(entry, "positive"), *frame = json_get(entry, "frame");
    const char *name = "point\0box\0mask";
    *prompt = (Prompt){.layer = json_text(entry, "layer", NULL), .positive = !positive || positive->kind == JSON_TRUE};
    if (!prompt->layer || !frame || far(frame)) return false;
    prompt->frame = (int)frame->number;
    for (int kind = 0; kind < 3; kind++, name += strlen(name) + 1)
        if ((prompt->place = json_get(entry, name))) {
            prompt->kind = (PromptKind)kind;
            if (kind == PROMPT_MASK) return true;
            int count = 0;
            for (const Json *at = prompt->place->child; at; at = at->next, count++) {
                if (far(at) || count == 4) return false;
                prompt->at[count] = (float)at->number;
            }
            return count == (kind == PROMPT_BOX ? 4 : 2);
        }
    return false;
}

static void numbers(Text *made, const Prompt *what) {
    int count = what->kind == PROMPT_BOX ? 4 : 2;
    for (int i = 0; i < count; i++) {
        text_put(made, i ? ", " : "[");
        text_number(made, (double)nearest(what->at[i] * 100) / 100);
    }
    text_put(made, "]");
}

void prompts_write(Text *made, const JsonTree *tree, int index, const Prompt *what, const Text *first) {
    int i = 0;
    text_put(made, "[");
    for (const Json *at = json_root(tree)->child; at; at = at->next, i++) {
        Prompt before;
        if (i == index && !what) continue;
        if (made->size > 1) text_put(made, ", ");
        const char *from = at->from;
        if (i == index && prompt_read(at, &before)) {
            text_add(made, from, (size_t)(before.place->from - from));
            numbers(made, what);
            from = before.place->to;
        }
        text_add(made, from, (size_t)(at->to - from));
    }
    if (index < 0) {
        if (made->size > 1) text_put(made, ", ");
        if (first->size) {
            text_add(made, first->data, first->size);
            text_put(made, ", ");
        }
        text_format(made, "{\"frame\": %d, \"layer\": ", what->frame);
        text_quote(made, what->layer);
        text_put(made, what->kind == PROMPT_BOX ? ", \"box\": " : ", \"point\": ");
        numbers(made, what);
        if (!what->positive) text_put(made, ", \"positive\": false");
        text_put(made, "}");
    }
    text_put(made, "]");
}
