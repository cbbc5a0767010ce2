/* Rendering a frame: name the picture, find what made it, ask the engine, write the matte. */
#include "outline.h"
#include "walk.h"
#include "work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 100000 };

int range(Instance *instance, int *first) {
    OfxClip clip;
    OfxProps props;
    double ends[2] = {0, 0};
    if (suites.effect->clip_handle(instance->effect, "Source", &clip, &props) != OFX_OK) return 0;
    for (int i = 0; i < 2; i++)
        if (suites.props->get_double(props, "OfxImageEffectPropFrameRange", i, &ends[i]) != OFX_OK) return 0;
    double count = ends[1] - ends[0];
    if (!(count >= 0 && count < LONGEST && ends[0] > -1e9 && ends[1] < 1e9)) return 0;
    *first = above(ends[0]);
    return below(ends[1]) - *first + 1;
}

/* What the mattes' windows are relative to. */
static void fit(Writing *writing, const Picture *source, const Json *plate, bool proxy) {
    const Json *side = json_first(json_get(plate, "picture"), "display");
    for (int i = 0; i < 3 && side; i++) side = side->next;
    writing->height = side ? (int)side->number : 0;
    for (int i = 0; i < 2; i++) writing->origin[i] = proxy ? 0 : source->origin[i];
}

/* A name for a frame of a recipe. */
static uint64_t name_of(const char *recipe, int frame) {
    uint64_t name;
    blake2b((unsigned char *)&name, sizeof name, "", recipe, strlen(recipe));
    return name + (unsigned)frame;
}

/* Name the picture, and write it in the same walk when its mattes are there already. */
static bool name_and_write(Work *work, Writing *writing, const Mattes *mattes, const char *asked, Hash **made) {
    const Picture *source = writing->source;
    Walk over = {.named = source, .rgb = hash_new(), .alpha = hash_new(), .least = INFINITY, .most = -INFINITY};
    bool whole = writing->content == OUTPUT_MATTE && !memcmp(writing->window, source->bounds, sizeof writing->window);
    writing->mattes = mattes;
    if (mattes) over.writing = writing;
    /* seen again, it goes by the same name as before */
    bool again = mattes && work->instance->made[(unsigned)work->frame % SEEN] == name_of(asked, work->frame);
    *made = over.made = mattes && whole && !again ? hash_new() : NULL;
    bool well = over.rgb && over.alpha && walk(&over, work_aborted, work);
    well = picture_named(&over, &work->named) && well;
    memcpy(work->wired->digest, work->named.plate, DIGEST_TEXT);
    return well;
}

static bool write(Work *work, Writing *writing, Hash **made) {
    const Picture *source = writing->source;
    bool whole = made && writing->content == OUTPUT_MATTE && !memcmp(writing->window, source->bounds, sizeof writing->window);
    Walk over = {.writing = writing, .made = whole ? hash_new() : NULL};
    if (made) *made = over.made;
    return walk(&over, work_aborted, work);
}

static void no_more(Hash **hash) {
    unsigned char nothing[DIGEST];
    if (*hash) hash_end(*hash, nothing);
    *hash = NULL;
}

static void lacking(Instance *instance, bool value) {
    pthread_mutex_lock(&instance->lock);
    instance->lacking = value;
    pthread_mutex_unlock(&instance->lock);
}

/* The picture with its mattes, in the output. */
static int render_mattes(Work *work, Writing *writing, bool proxy, Recipe *known) {
    Instance *instance = work->instance;
    Recipe mine = {0};
    Answer *ready = answer_take(instance, NULL);
    if (ready && ready->frame != work->frame) {
        answer_free(instance, ready);
        ready = NULL;
    }
    Recipe asked = {0};
    bool written = !proxy && ready && recipe_read(&asked, ready->asked);
    if (written) fit(writing, writing->source, recipe_plate(&asked, PLATE), proxy);
    recipe_free(&asked);
    Hash *made = NULL;
    int answer = ENGINE_OK;
    if (!proxy && !name_and_write(work, writing, written ? &ready->mattes : NULL, ready ? ready->asked : "", &made)) answer = ENGINE_ABORTED;
    if (answer == ENGINE_OK) answer = prepare(work, proxy, known, &mine);
    if (ready && (answer != ENGINE_OK || strcmp(ready->asked, mine.text))) { /* it is not what it was taken for */
        no_more(&made);
        answer_free(instance, ready);
        ready = NULL;
    }
    written &= ready != NULL;
    if (answer == ENGINE_OK && !ready) {
        /* nobody presses Track on a farm: the first frame tracks the shot */
        if (work->any) answer = ask(work, "track", &mine, 1, 0, NULL);
        if (answer == ENGINE_OK && !(ready = answer_new(mine.text, work->frame))) answer = ENGINE_ERROR;
        if (ready) answer = ask(work, "matte", &mine, work->frame, work->frame, &ready->mattes);
    }
    if (answer == ENGINE_OK) {
        outline_keep(instance, work->frame, &ready->mattes);
        fit(writing, writing->source, recipe_plate(&mine, PLATE), proxy);
        writing->mattes = &ready->mattes;
        if (!written && !write(work, writing, proxy ? NULL : &made)) answer = ENGINE_ABORTED;
        if (writing->content == OUTPUT_BOXES) write_boxes(writing, work_aborted, work);
        if (work->stopped) answer = ENGINE_ABORTED;
        lacking(instance, false);
    }
    if (made && answer == ENGINE_OK) {
        unsigned char alpha[DIGEST];
        hash_end(made, alpha);
        picture_rename(writing->source, &work->named, alpha);
        recipe_keep(work->named.whole, work->frame + work->shift, mine.text);
        instance->made[(unsigned)work->frame % SEEN] = name_of(mine.text, work->frame);
    } else
        no_more(&made);
    writing->mattes = NULL;
    answer_free(instance, ready);
    recipe_free(&mine);
    return answer;
}

/* Whatever there is to say at the end; the plate as it came where there are no mattes. */
static OfxStatus conclude(Work *work, Writing *writing, int answer, const Recipe *known) {
    Instance *instance = work->instance;
    int first;
    if (answer == ENGINE_ABORTED) return OFX_FAILED;
    if (answer == ENGINE_OK) {
        tell(instance, MESSAGE_NOTE, work->note);
        return OFX_OK;
    }
    bool partly = known->root && (recipe_frames(known) < 2 || work_partly(instance, known));
    if (answer == ENGINE_NEEDS || (answer == ENGINE_ERROR && partly && suites.background)) lacking(instance, true);
    size_t size = strlen(work->message);
    if (answer == ENGINE_ERROR && partly && range(instance, &first) > 1 && !strstr(work->message, "press Track"))
        snprintf(work->message + size, sizeof work->message - size, "%s", saying("one frame"));
    tell(instance, MESSAGE_ERROR, work->message);
    bool well = write(work, writing, NULL);
    /* on a farm a frame without its matte must not look like a finished one */
    return well && !suites.background ? OFX_OK : OFX_FAILED;
}

OfxStatus render(Instance *instance, OfxProps in) {
    double time = prop_time(in), scale[2] = {1, 1};
    Picture output;
    Writing writing = {.output = &output, .content = (Output)param_int(instance, PARAM_OUTPUT), .layer = ""};
    int *window = writing.window;
    for (int i = 0; i < 4; i++) suites.props->get_int(in, "OfxImageEffectPropRenderWindow", i, &window[i]);
    for (int i = 0; i < 2; i++) suites.props->get_double(in, "OfxImageEffectPropRenderScale", i, &scale[i]);
    memcpy(writing.scale, scale, sizeof scale);
    if (!picture_get(&output, instance, instance->output, time)) return OFX_FAILED;
    for (int i = 0; i < 2; i++) {
        if (window[i] < output.bounds[i]) window[i] = output.bounds[i];
        if (window[i + 2] > output.bounds[i + 2]) window[i + 2] = output.bounds[i + 2];
    }
    Work work = {.instance = instance, .frame = nearest(time), .any = instance->all, .low = instance->low, .high = instance->high, .count = 1};
    work.wired[0] = (Wired){.name = PLATE, .clip = instance->source};
    OfxStatus status = OFX_OK;
    bool there = picture_get(&work.wired->here, instance, instance->source, time);
    if (there) writing.source = &work.wired->here;
    if (!there || window[2] <= window[0] || window[3] <= window[1]) status = write(&work, &writing, NULL) ? OFX_OK : OFX_FAILED;
    else {
        char layer[260];
        snprintf(layer, sizeof layer, "%s", param_string(instance, PARAM_LAYER));
        writing.layer = layer;
        bool proxy = scale[0] != 1.0 || scale[1] != 1.0;
        Recipe known = {0};
        int answer = ENGINE_ERROR;
        if (time == below(time)) answer = render_mattes(&work, &writing, proxy, &known);
        else work_say(&work, "between");
        status = conclude(&work, &writing, answer, &known);
        recipe_free(&known);
    }
    work_end(&work);
    picture_release(&output);
    return status;
}
