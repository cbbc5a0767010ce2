/* The Track buttons: the plate is looked at, and the engine computes with progress and cancel. And what
 * the first correction of a tracked frame keeps. */
#include "work.h"

#include "platform.h"

#include <stdio.h>
#include <string.h>

void track(Instance *instance, OfxTime time, const char *button) {
    static const char *const behind[] = {"_forward", "_backward", "_next", "_previous"};
    int first = nearest(time), count = range(instance, &first), which = 0;
    while (which < 4 && strcmp(button + sizeof PARAM_TRACK - 1, behind[which])) which++;
    int frame = nearest(time);
    if (count && (frame < first || frame >= first + count)) frame = first;
    Recipe known = {0}, mine = {0};
    Work work = {.instance = instance, .frame = frame, .any = true, .button = true, .step = which == 2 || which == 3, .count = 1};
    int low = which == 1 ? first : which == 3 ? frame - 1 : which == 2 ? frame + 1 : frame;
    int high = which == 0 ? first + count - 1 : which == 2 ? frame + 1 : which == 3 || which == 4 ? frame - 1 : frame;
    if (work.step && (low < first || low >= first + count)) return;
    if (suites.progress) suites.progress->start(instance->effect, "Rotograph");
    work_say(&work, "no plate");
    Wired *plate = work.wired;
    *plate = (Wired){.name = PLATE, .clip = instance->source};
    int answer = picture_get(&plate->here, instance, plate->clip, frame) ? ENGINE_OK : ENGINE_ERROR;
    if (answer == ENGINE_OK && !picture_name(&plate->here, &work.named, work_aborted, &work)) answer = ENGINE_ABORTED;
    memcpy(plate->digest, work.named.plate, DIGEST_TEXT);
    if (answer == ENGINE_OK) answer = prepare(&work, false, &known, &mine);
    if (answer == ENGINE_OK) answer = ask(&work, "track", &mine, low, high, NULL);
    if (suites.progress) suites.progress->end(instance->effect);
    if (answer == ENGINE_OK) {
        OfxParam param;
        if (suites.param->handle(instance->params, PARAM_RECIPE, &param, NULL) == OFX_OK) suites.param->set(param, known.text);
        tell(instance, MESSAGE_NOTE, work.note);
        if (work.step && suites.line) suites.line->go(instance->effect, low);
    } else if (answer != ENGINE_ABORTED)
        tell(instance, MESSAGE_ERROR, work.message);
    recipe_free(&known);
    recipe_free(&mine);
    work_end(&work);
}

/* Nothing is looked at or computed: it is for the frame as it was last shown. */
void freeze(Instance *instance, int frame, const char *layer, Text *made) {
    Recipe known = {0}, mine = {0};
    Work work = {.instance = instance, .frame = frame, .layer = layer, .told = made, .until = transport_seconds() + 2};
    if (prepare(&work, true, &known, &mine) == ENGINE_OK && !work.shift) {
        int answer = ask(&work, "freeze", &mine, frame, frame, NULL);
        if (answer == ENGINE_ABORTED || answer == ENGINE_GONE) made->failed = true; /* nobody knows what was there */
    }
    recipe_free(&known);
    recipe_free(&mine);
}
