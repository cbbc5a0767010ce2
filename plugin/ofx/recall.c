/* Finding what made a picture: the recipe behind it, else its plate alone, else a new plate. */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATES = 16 };

/* Plates whose every frame some node of this process has seen, the latest last. */
static struct {
    pthread_mutex_t lock;
    char *text[PLATES];
} plates = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void plate_begin(Text *text) {
    text_put(text, "{\"node\":\"plate\",\"gives\":\"Image\",\"nodes\":{\"plate\":{\"type\":\"Read\",\"file\":\"\"}},\"plates\":{\"plate\":");
}

/* Only the plate of a recipe, with another digest on one frame unless NULL. */
static bool plate_of(Recipe *into, const Recipe *from, int frame, const char *digest) {
    Text text = {0};
    const Json *plate = recipe_plate(from, PLATE);
    plate_begin(&text);
    if (digest) plate_put(&text, plate, frame, digest);
    else text_json(&text, plate);
    text_put(&text, "}}");
    return recipe_take(into, &text);
}

static void remember(const Recipe *known) {
    Recipe plate = {0};
    if (recipe_frames(known) < 2 || !plate_of(&plate, known, 0, NULL)) return;
    pthread_mutex_lock(&plates.lock);
    bool there = false;
    for (int i = 0; i < PLATES; i++) there |= plates.text[i] && !strcmp(plates.text[i], plate.text);
    if (!there) {
        free(plates.text[0]);
        memmove(plates.text, plates.text + 1, sizeof plates.text - sizeof *plates.text);
        plates.text[PLATES - 1] = plate.text;
        plate.text = NULL;
    }
    pthread_mutex_unlock(&plates.lock);
    recipe_free(&plate);
}

void forget_plates(void) {
    pthread_mutex_lock(&plates.lock);
    for (int i = 0; i < PLATES; i++) free(plates.text[i]);
    memset(plates.text, 0, sizeof plates.text);
    pthread_mutex_unlock(&plates.lock);
}

static bool shows(const Recipe *recipe, int frame, const char *digest) {
    return plate_shows(recipe_plate(recipe, PLATE), frame, digest);
}

static bool seen_elsewhere(Recipe *into, int frame, const char *digest) {
    bool found = false;
    pthread_mutex_lock(&plates.lock);
    for (int i = PLATES - 1; i >= 0 && !found; i--) {
        Recipe plate;
        if (!plates.text[i] || !recipe_read(&plate, plates.text[i])) continue;
        found = shows(&plate, frame, digest);
        if (found) {
            recipe_free(into);
            *into = plate;
        } else
            recipe_free(&plate);
    }
    pthread_mutex_unlock(&plates.lock);
    return found;
}

/* An input with its digests on `count` frames from `first`; without a count, this frame alone. */
static bool look(Work *work, const Wired *wired, int first, int count, Text *text) {
    Instance *instance = work->instance;
    bool plate = wired == work->wired, within = false;
    text_put(text, "{\"picture\":");
    picture_text(&wired->here, wired->content, plate ? param_string(instance, PARAM_COLOUR) : "", text);
    text_put(text, ",\"frames\":{");
    const char *comma = "";
    for (int i = 0; i <= count; i++) {
        Named named;
        Picture other;
        int frame = i < count ? first + i : work->frame;
        const char *digest = NULL;
        if (frame == work->frame) {
            if (!within) digest = wired->digest;
            within = true;
        } else if (picture_get(&other, instance, wired->clip, frame)) {
            if (!plate) picture_as(&other, &work->wired->here);
            bool well = picture_name(&other, &named, work_aborted, work);
            picture_release(&other);
            if (!well) return false;
            digest = named_as(&named, wired->content);
        }
        if (digest) {
            text_format(text, "%s\"%d\":\"%s\"", comma, frame + work->shift, digest);
            comma = ",";
        }
        if (count) work_progress(work, 0.3 * (i + 1) / (count + 1));
        if (work_aborted(work)) return false;
    }
    text_put(text, "}}");
    return !text->failed;
}

/* The frames of the node's inputs that may be looked at: all, or none but this one. */
static int span(Work *work, int *first) { return work->any ? range(work->instance, first) : 0; }

/* The chain behind the picture or its plate, in `known`. */
static bool recall_chain(Work *work, Recipe *known) {
    Instance *instance = work->instance;
    const Named *named = &work->named;
    const Json *part = first_part(instance), *accepts = json_get(part, "accepts");
    Recipe found = {0};
    int shown = 0, before = 0;
    /* asked before the lock: a host is never called with it held */
    const Json *outer = outside_part(instance);
    bool still = work->count == 1 && frameless(instance);
    pthread_mutex_lock(&instance->lock);
    const Recipe *last = &instance->known;
    int frames = recipe_frames(last);
    if (last->root) before = recipe_shift(last);
    bool there = accepts && recipe_find(&found, named->whole, accepts, last->text, &shown);
    /* on another frame than it was made for: then nothing of this node may hang on the frame's number */
    if (there && shows(&found, shown, named->plate) && (shown == work->frame || still)) {
        recipe_free(known);
        *known = found;
        work->shift = shown - work->frame;
        pthread_mutex_unlock(&instance->lock);
        return true;
    }
    recipe_free(&found);
    if (!there && !named->plain) {
        if (outer) {
            Wired *outside = &work->wired[work->count++];
            *outside = work->wired[0];
            outside->name = OUTSIDE;
            outside->content = CONTENT_ALPHA;
            outside->here.image = NULL; /* it is the plate's to release */
            memcpy(outside->digest, named->cover, DIGEST_TEXT);
            work->note = saying("outside");
        } else if (accepts)
            work->note = saying("plate only");
    } else if (there)
        work->note = saying("other frame");
    bool all = work->any, again = work->button && !work->step;
    bool well = recipe_find(&found, named->whole, NULL, NULL, &shown) && shows(&found, work->frame, named->plate) &&
                plate_of(known, &found, 0, NULL);
    recipe_free(&found);
    if (!well && !again && before == 0 && shows(last, work->frame, named->plate) && (frames > 1 || !all))
        well = plate_of(known, last, 0, NULL);
    if (!well && !all && before == 0 && frames > 1 && recipe_frame(last, work->frame)) {
        work->note = saying("changed");
        well = plate_of(known, last, work->frame, named->plate);
    }
    pthread_mutex_unlock(&instance->lock);
    if (!well && !again) well = seen_elsewhere(known, work->frame, named->plate);
    if (well && !(work->button && recipe_frames(known) < 2)) return true;
    int first = work->frame, count = span(work, &first);
    Text text = {0};
    plate_begin(&text);
    well = look(work, work->wired, first, count, &text);
    text_put(&text, "}}");
    text.failed |= !well;
    return recipe_take(known, &text);
}

/* What is known of an input beside the plate. */
static bool recall_own(Work *work, const Wired *wired, Text *text) {
    Instance *instance = work->instance;
    bool well = false, done = false;
    pthread_mutex_lock(&instance->lock);
    const Json *last = recipe_own(&instance->known, wired->name);
    bool several = plate_frames(last) > 1;
    if (!(work->button && !work->step) && (several || !work->any)) {
        bool same = plate_shows(last, work->frame + work->shift, wired->digest);
        if (!same && several && !work->any && plate_frame(last, work->frame + work->shift))
            work->note = saying("input");
        done = same || (several && !work->any);
        if (done) plate_put(text, last, work->frame + work->shift, wired->digest);
        well = done && !text->failed;
    }
    pthread_mutex_unlock(&instance->lock);
    if (done) return well;
    int first = work->frame, count = span(work, &first);
    return look(work, wired, first, count, text);
}

bool recall(Work *work, Recipe *known) {
    if (!recall_chain(work, known)) return false;
    remember(known);
    if (work->count == 1 && work->shift == 0) return true;
    Text text = {0};
    text_add(&text, known->text, strlen(known->text) - 1);
    text_put(&text, ",\"own\":{");
    bool well = true;
    for (int i = 1; i < work->count && well; i++) {
        text_format(&text, "%s\"%s\":", i > 1 ? "," : "", work->wired[i].name);
        well = recall_own(work, &work->wired[i], &text);
    }
    text_format(&text, "},\"shift\":%d}", work->shift);
    text.failed |= !well;
    return recipe_take(known, &text);
}

int prepare(Work *work, bool proxy, Recipe *known, Recipe *mine) {
    Instance *instance = work->instance;
    if (proxy) {
        pthread_mutex_lock(&instance->lock);
        work->shift = instance->known.root ? recipe_shift(&instance->known) : 0;
        bool there = recipe_frame(&instance->known, work->frame + work->shift) && recipe_copy(known, &instance->known);
        pthread_mutex_unlock(&instance->lock);
        if (!there) {
            work_say(work, "proxy");
            return ENGINE_ERROR;
        }
    } else {
        work_say(work, "unread");
        if (!work_look(work) || !recall(work, known)) return work->stopped ? ENGINE_ABORTED : ENGINE_ERROR;
        pthread_mutex_lock(&instance->lock);
        if (!instance->known.text || strcmp(instance->known.text, known->text)) recipe_copy(&instance->known, known);
        pthread_mutex_unlock(&instance->lock);
    }
    Text text = {0};
    bool well = compose(instance, known, work->frame, &text, work->message, sizeof work->message);
    if (!well) text_free(&text);
    well = well && recipe_take(mine, &text);
    work->mine = mine;
    return well ? ENGINE_OK : ENGINE_ERROR;
}
