/* What one render or one press of Track is about: being stopped, and what is wired beside the plate. */
#include "work.h"

#include "platform.h"

#include <stdio.h>
#include <string.h>

void work_say(Work *work, const char *name) { snprintf(work->message, sizeof work->message, "%s", saying(name)); }

bool work_partly(Instance *instance, const Recipe *known) {
    bool partly = plate_frames(recipe_own(known, OUTSIDE)) == 1;
    for (const Json *at = json_first(instance->node, "clips"); at; at = at->next)
        if (json_true(at, "optional") && clip_connected(instance, json_word(at, "name")))
            partly |= plate_frames(recipe_own(known, json_word(at, "port"))) < 2;
    return partly && recipe_frames(known) > 1;
}

bool work_aborted(void *host) {
    Work *work = host;
    if (work->until > 0) work->stopped = transport_seconds() > work->until; /* abort is a render's */
    else if (!work->stopped && !work->button && suites.effect->abort(work->instance->effect)) work->stopped = true;
    return work->stopped;
}

void work_progress(void *host, double part) {
    Work *work = host;
    if (work->button && suites.progress && suites.progress->update(work->instance->effect, part) != OFX_OK) work->stopped = true;
}

const char *named_as(const Named *named, Content content) {
    return content == CONTENT_COLOURS ? named->plate : content == CONTENT_ALPHA ? named->cover : named->whole;
}

bool work_look(Work *work) {
    Instance *instance = work->instance;
    for (const Json *at = json_first(instance->node, "clips"); at && work->count < CLIPS; at = at->next) {
        Wired *wired = &work->wired[work->count];
        wired->clip = json_true(at, "optional") ? clip_connected(instance, json_word(at, "name")) : NULL;
        if (!wired->clip || !picture_get(&wired->here, instance, wired->clip, work->frame)) continue;
        Named named;
        wired->name = json_word(at, "port");
        wired->content = CONTENT_ALL;
        work->count++;
        picture_as(&wired->here, &work->wired->here);
        if (!picture_name(&wired->here, &named, work_aborted, work)) return false;
        memcpy(wired->digest, named.whole, DIGEST_TEXT);
    }
    return true;
}

void work_end(Work *work) {
    picture_release(&work->other);
    for (int i = 0; i < work->count; i++) picture_release(&work->wired[i].here);
    work->count = 0;
}
