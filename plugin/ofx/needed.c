/* Which frames a render will fetch: this one, and what the engine lacks for it. */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR = 3 };

Answer *answer_new(const char *asked, int frame) {
    Answer *made = calloc(1, sizeof *made);
    char *text = made ? malloc(strlen(asked) + 1) : NULL;
    if (!text) {
        free(made);
        return NULL;
    }
    made->asked = memcpy(text, asked, strlen(asked) + 1);
    made->frame = frame;
    made->mattes.lying = -1;
    return made;
}

void answer_free(Instance *instance, Answer *answer) {
    if (!answer) return;
    engine_release(instance->engine, &answer->mattes);
    free(answer->asked);
    free(answer);
}

Answer *answer_take(Instance *instance, Answer *other) {
    pthread_mutex_lock(&instance->lock);
    Answer *found = instance->ready;
    instance->ready = other;
    pthread_mutex_unlock(&instance->lock);
    return found;
}

/* The engine is asked for the frame's mattes here already: what it has is there when the frame is
 * rendered, and what it lacks is fetched then. */
static int ask_ahead(Work *work, const Recipe *known) {
    Recipe mine = {0};
    Text text = {0};
    int answer = ENGINE_ERROR;
    if (!compose(work->instance, known, work->frame, &text, work->message, sizeof work->message)) text_free(&text);
    else if (recipe_take(&mine, &text)) {
        Answer *made = answer_new(mine.text, work->frame), *before = answer_take(work->instance, NULL);
        if (before && before->frame == work->frame && !strcmp(before->asked, mine.text)) {
            answer_free(work->instance, answer_take(work->instance, before));
            answer = ENGINE_OK;
        } else {
            answer_free(work->instance, before);
            if (made) answer = ask(work, "matte", &mine, work->frame, work->frame, &made->mattes);
            if (answer == ENGINE_OK) made = answer_take(work->instance, made);
        }
        answer_free(work->instance, made);
    }
    recipe_free(&mine);
    return answer;
}

OfxStatus frames_needed(Instance *instance, OfxProps in, OfxProps out) {
    double time = prop_time(in);
    int first = 0, count = range(instance, &first);
    int frame = nearest(time);
    Recipe known = {0};
    pthread_mutex_lock(&instance->lock);
    bool all = instance->lacking, near = false;
    int shift = instance->known.root ? recipe_shift(&instance->known) : 0;
    bool seen = recipe_frame(&instance->known, frame + shift) && (recipe_frames(&instance->known) > 1 || !suites.background || count == 1) &&
                recipe_copy(&known, &instance->known);
    pthread_mutex_unlock(&instance->lock);
    if (!seen || work_partly(instance, &known)) all |= suites.background;
    if (seen && !all) {
        Work work = {.instance = instance, .frame = frame, .shift = shift, .low = 1};
        near = ask_ahead(&work, &known) == ENGINE_NEEDS;
        if (suites.background) all = near;
    }
    recipe_free(&known);
    all = all && count > 0;
    int low = frame, high = frame;
    if (all || near) {
        low = all || frame - NEAR < first ? first : frame - NEAR;
        high = all || frame + NEAR > first + count - 1 ? first + count - 1 : frame + NEAR;
        low = low < frame ? low : frame;
        high = high > frame ? high : frame;
    }
    pthread_mutex_lock(&instance->lock);
    instance->all = all;
    instance->low = low;
    instance->high = high;
    pthread_mutex_unlock(&instance->lock);
    for (const Json *at = json_first(instance->node, "clips"); at; at = at->next) {
        char property[200];
        snprintf(property, sizeof property, "OfxImageClipPropFrameRange_%s", json_word(at, "name"));
        suites.props->set_double(out, property, 0, low < high ? low : time);
        suites.props->set_double(out, property, 1, low < high ? high : time);
    }
    return OFX_OK;
}
