/* Rendering a frame: name the picture, find what made it, ask the engine, write the matte. */
#include "engine.h"
#include "picture.h"
#include "platform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATES = 16, LONGEST = 100000, NEAR = 3 };
#define ERROR "OfxMessageError"
#define NOTE "OfxMessageMessage"

/* Plates whose every frame some node of this process has seen, the latest last. */
static struct {
    pthread_mutex_t lock;
    char *text[PLATES];
} plates = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What one render or one press of Track is about. */
typedef struct {
    Instance *instance;
    const Picture *here; /* the frame's own picture */
    const Recipe *known;
    int frame;
    bool any;            /* whether every frame of the plate may be fetched */
    int low, high;       /* … or these, both ends included */
    bool button;
    bool stopped;
    Picture other;       /* another frame, while the engine gets it */
} Work;

static bool aborted(void *host) {
    Work *work = host;
    if (!work->stopped && !work->button && suites.effect->abort(work->instance->effect)) work->stopped = true;
    return work->stopped;
}

static void progress(void *host, double part) {
    Work *work = host;
    if (work->button && suites.progress && suites.progress->update(work->instance->effect, part) != OFX_OK) work->stopped = true;
}

static int range(Instance *instance, int *first) {
    OfxClip clip;
    OfxProps props;
    double ends[2] = {0, 0};
    if (suites.effect->clip_handle(instance->effect, "Source", &clip, &props) != OFX_OK) return 0;
    for (int i = 0; i < 2; i++)
        if (suites.props->get_double(props, "OfxImageEffectPropFrameRange", i, &ends[i]) != OFX_OK) return 0;
    *first = (int)ceil(ends[0]);
    double count = floor(ends[1]) - ceil(ends[0]) + 1;
    return count >= 1 && count <= LONGEST ? (int)count : 0;
}

/* -- what the engine asks for ----------------------------------------------------------------- */

static const Picture *wanted(Work *work, const char *digest) {
    int frame;
    if (!recipe_when(work->known, digest, work->frame, &frame)) return NULL;
    if (frame == work->frame && work->here) return work->here;
    if (!work->any && (frame < work->low || frame > work->high)) return NULL;
    if (work->other.image) picture_release(&work->other);
    return picture_get(&work->other, work->instance, work->instance->source, frame) ? &work->other : NULL;
}

static size_t frame_wanted(void *host, const char *digest, Text *text) {
    Work *work = host;
    const Picture *found = wanted(work, digest);
    if (!found) return 0;
    picture_text(found, json_text(json_get(work->known->root, "picture"), "colour_space", ""), text);
    return picture_bytes(found);
}

static bool frame_fill(void *host, const char *digest, float *pixels) {
    Work *work = host;
    (void)digest;
    picture_copy(work->other.image ? &work->other : work->here, pixels);
    if (work->other.image) picture_release(&work->other);
    return true;
}

/* -- what came in ----------------------------------------------------------------------------- */

static void plate_text(Text *text, const char *picture, size_t picture_size, const char *frames, size_t frames_size) {
    text_put(text, "{\"node\":\"plate\",\"gives\":\"Image\",\"nodes\":{\"plate\":{\"type\":\"Read\",\"file\":\"\"}},\"picture\":");
    text_add(text, picture, picture_size);
    text_put(text, ",\"frames\":");
    text_add(text, frames, frames_size);
    text_put(text, "}");
}

static bool read_text(Recipe *into, Text *text) {
    Recipe made;
    bool well = !text->failed && recipe_read(&made, text->data);
    if (well) {
        recipe_free(into);
        *into = made;
    }
    text_free(text);
    return well;
}

/* Only the plate of a recipe. */
static bool plate_of(Recipe *into, const Recipe *from) {
    const Json *picture = json_get(from->root, "picture"), *frames = json_get(from->root, "frames");
    Text text = {0};
    plate_text(&text, picture->from, (size_t)(picture->to - picture->from), frames->from, (size_t)(frames->to - frames->from));
    return read_text(into, &text);
}

static void remember(const Recipe *plate) {
    if (recipe_frames(plate) < 2) return;
    pthread_mutex_lock(&plates.lock);
    bool there = false;
    for (int i = 0; i < PLATES; i++) there |= plates.text[i] && !strcmp(plates.text[i], plate->text);
    char *copy = there ? NULL : malloc(strlen(plate->text) + 1);
    if (copy) {
        strcpy(copy, plate->text);
        free(plates.text[0]);
        memmove(plates.text, plates.text + 1, sizeof plates.text - sizeof *plates.text);
        plates.text[PLATES - 1] = copy;
    }
    pthread_mutex_unlock(&plates.lock);
}

void forget_plates(void) {
    pthread_mutex_lock(&plates.lock);
    for (int i = 0; i < PLATES; i++) free(plates.text[i]);
    memset(plates.text, 0, sizeof plates.text);
    pthread_mutex_unlock(&plates.lock);
}

static bool shows(const Recipe *recipe, int frame, const char *digest) {
    const char *found = recipe_frame(recipe, frame);
    return found && !strcmp(found, digest);
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

/* The plate with its digests on `count` frames from `first`; without a count, this frame alone. */
static bool look(Work *work, Recipe *into, const char *here, int first, int count) {
    Text picture = {0}, frames = {0}, text = {0};
    picture_text(work->here, param_string(work->instance, PARAM_COLOUR), &picture);
    text_put(&frames, "{");
    bool well = true, within = false;
    for (int i = 0; i < count && well; i++) {
        Named named;
        Picture other;
        int frame = first + i;
        if (frame == work->frame) {
            text_format(&frames, "%s\"%d\":\"%s\"", frames.size > 1 ? "," : "", frame, here);
            within = true;
            continue;
        }
        if (!picture_get(&other, work->instance, work->instance->source, frame)) continue;
        well = picture_name(&other, &named, aborted, work) && !aborted(work);
        picture_release(&other);
        if (well) text_format(&frames, "%s\"%d\":\"%s\"", frames.size > 1 ? "," : "", frame, named.plate);
        progress(work, 0.3 * (i + 1) / count);
    }
    if (!within) text_format(&frames, "%s\"%d\":\"%s\"", frames.size > 1 ? "," : "", work->frame, here);
    text_put(&frames, "}");
    if (well && !picture.failed && !frames.failed) plate_text(&text, picture.data, picture.size, frames.data, frames.size);
    else text.failed = true;
    text_free(&picture);
    text_free(&frames);
    return read_text(into, &text);
}

/* A known plate, one frame of which is another picture now. */
static bool replaced(Recipe *into, const Recipe *from, int frame, const char *digest) {
    const Json *picture = json_get(from->root, "picture"), *frames = json_get(from->root, "frames");
    Text made = {0}, text = {0};
    text_put(&made, "{");
    for (const Json *at = frames->child; at; at = at->next)
        text_format(&made, "%s\"%d\":\"%.32s\"", at == frames->child ? "" : ",", atoi(at->name),
                    atoi(at->name) == frame ? digest : at->string ? at->string : "");
    text_put(&made, "}");
    if (!made.failed) plate_text(&text, picture->from, (size_t)(picture->to - picture->from), made.data, made.size);
    else text.failed = true;
    text_free(&made);
    return read_text(into, &text);
}

/* What came in, into `known`: the chain behind the picture, or its plate alone. `note` says which,
 * when the artist should know. False: stopped. */
static bool recall(Work *work, const Named *named, Recipe *known, const char **note) {
    Instance *instance = work->instance;
    const Json *part = first_part(instance), *accepts = json_get(part, "accepts");
    Recipe found = {0};
    int shown = 0;
    *note = NULL;
    pthread_mutex_lock(&instance->lock);
    bool any = work->any;
    const char *preferred = instance->known.text;
    bool there = accepts && recipe_find(&found, named->whole, accepts, preferred, &shown);
    if (there && shown == work->frame && shows(&found, work->frame, named->plate)) {
        recipe_free(known);
        *known = found;
        pthread_mutex_unlock(&instance->lock);
        return true;
    }
    recipe_free(&found);
    if (!there && accepts && !named->plain)
        *note = "the incoming alpha was not made by a Rotograph node as it is; only the plate is used";
    bool well = recipe_find(&found, named->whole, NULL, NULL, &shown) && shows(&found, work->frame, named->plate) &&
                plate_of(known, &found);
    recipe_free(&found);
    if (!well && !work->button && shows(&instance->known, work->frame, named->plate) &&
        (recipe_frames(&instance->known) > 1 || !any))
        well = plate_of(known, &instance->known);
    bool changed = !well && !any && recipe_frames(&instance->known) > 1 && recipe_frame(&instance->known, work->frame);
    if (changed) {
        *note = "the plate is not as it was when it was tracked; press Track";
        well = replaced(known, &instance->known, work->frame, named->plate);
    }
    pthread_mutex_unlock(&instance->lock);
    if (!well && !work->button) well = seen_elsewhere(known, work->frame, named->plate);
    if (well && !(work->button && recipe_frames(known) < 2)) return true;
    int first = work->frame, count = any ? range(instance, &first) : 0;
    return look(work, known, named->plate, first, count);
}

/* -- asking ----------------------------------------------------------------------------------- */

static void request(Text *text, const char *type, const Recipe *mine) {
    char store[4096] = "";
    const char *ocio = getenv("OCIO"), *models = getenv("ROTOGRAPH_MODELS");
    const Json *nodes = json_get(mine->root, "nodes"), *picture = json_get(mine->root, "picture");
    const Json *frames = json_get(mine->root, "frames");
    platform_cache(store, sizeof store);
    text_format(text, "\"type\":\"%s\",\"priority\":\"interactive\",\"folder\":\"/\",\"environment\":{\"store\":", type);
    text_quote(text, store);
    text_put(text, ",\"ocio\":");
    text_quote(text, ocio ? ocio : "");
    if (models && models[0] == '/') {
        text_put(text, ",\"models\":");
        text_quote(text, models);
    }
    text_put(text, "},\"graph\":{\"rotograph\":1,\"nodes\":");
    text_add(text, nodes->from, (size_t)(nodes->to - nodes->from));
    text_put(text, "},\"plates\":{\"plate\":{\"picture\":");
    text_add(text, picture->from, (size_t)(picture->to - picture->from));
    text_put(text, ",\"frames\":");
    text_add(text, frames->from, (size_t)(frames->to - frames->from));
    text_put(text, "}},\"node\":");
    text_quote(text, json_text(mine->root, "node", ""));
}

static int ask(Work *work, const char *type, const Recipe *mine, bool whole, Mattes *mattes, char *message, size_t size) {
    const Asking asking = {aborted, progress, frame_wanted, frame_fill, work};
    Text text = {0};
    request(&text, type, mine);
    if (!whole) text_format(&text, ",\"frames\":[%d]", work->frame);
    int answer = engine_ask(work->instance->engine, &text, &asking, mattes, message, size);
    text_free(&text);
    if (work->other.image) picture_release(&work->other);
    return answer;
}

/* -- writing ---------------------------------------------------------------------------------- */

typedef struct {
    const Picture *source; /* NULL: black */
    const Picture *output;
    const Mattes *mattes;
    Output content;
    const char *layer;
    int window[4]; /* what to write, in the output's pixels */
    double scale[2];
    int origin[2], height; /* of the plate's display window at full resolution */
} Writing;

static float no_nan(float value) { return value == value ? value : 1.0f; }

static bool chosen(const Writing *writing, const Matte *matte) {
    return writing->content != OUTPUT_LAYER || !*writing->layer || !strcmp(writing->layer, matte->layer);
}

/* Alpha of all chosen layers on a row of the plate, x from `first`. row: y down, display window. */
static void row_alpha(const Writing *writing, int row, int first, int count, float *alpha) {
    memset(alpha, 0, (size_t)count * sizeof *alpha);
    for (int i = 0; i < writing->mattes->count; i++) {
        const Matte *matte = &writing->mattes->mattes[i];
        const int *w = matte->window;
        if (!chosen(writing, matte) || row < w[1] || row >= w[3]) continue;
        const float *from = matte->alpha + (long)(row - w[1]) * (w[2] - w[0]) - w[0];
        int low = w[0] > first ? w[0] : first, high = w[2] < first + count ? w[2] : first + count;
        if (low < high) row_add(alpha + (low - first), from + low, (size_t)(high - low));
    }
}

/* As row_alpha, for a row of an output that is smaller than the plate: what lies under each pixel. */
static void small_alpha(const Writing *writing, int y, float *alpha, float *full) {
    int count = writing->window[2] - writing->window[0];
    double sx = writing->scale[0], sy = writing->scale[1];
    int left = (int)floor(writing->window[0] / sx), right = (int)ceil(writing->window[2] / sx);
    int low = (int)floor(y / sy + 1e-6), high = (int)ceil((y + 1) / sy - 1e-6);
    if (high <= low) high = low + 1;
    memset(alpha, 0, (size_t)count * sizeof *alpha);
    for (int row = low; row < high; row++) {
        int down = writing->height - 1 - (row - writing->origin[1]);
        row_alpha(writing, down, left - writing->origin[0], right - left, full);
        for (int x = 0; x < count; x++) {
            int from = (int)floor((writing->window[0] + x) / sx + 1e-6) - left;
            int to = (int)ceil((writing->window[0] + x + 1) / sx - 1e-6) - left;
            if (to <= from) to = from + 1;
            if (to > right - left) to = right - left;
            float sum = 0;
            for (int at = from; at < to; at++) sum += full[at];
            alpha[x] += sum / (float)((to > from ? to - from : 1) * (high - low));
        }
    }
}

static void finish(const Writing *writing, float *out, float alpha) {
    float premultiplied = alpha;
    switch (writing->content) {
    case OUTPUT_PREMULTIPLIED:
        for (int c = 0; c < 3; c++) out[c] = premultiplied == 0.0f ? 0.0f : out[c] * premultiplied;
        break;
    case OUTPUT_OVERLAY: /* a light red, apart from its outline by brightness as well as by colour */
        out[0] += alpha * 0.5f * (1.0f - out[0]);
        out[1] *= 1.0f - 0.5f * alpha;
        out[2] *= 1.0f - 0.5f * alpha;
        break;
    default:
        break;
    }
    out[3] = alpha;
}

/* The smallest box around each layer, as a line in the picture. */
static void boxes(const Writing *writing) {
    for (int i = 0; i < writing->mattes->count; i++) {
        const Matte *matte = &writing->mattes->mattes[i];
        const int *w = matte->window;
        int width = w[2] - w[0], box[4] = {1 << 30, 1 << 30, -1, -1};
        for (int y = 0; y < w[3] - w[1]; y++)
            for (int x = 0; x < width; x++)
                if (matte->alpha[(long)y * width + x] > 0.5f) {
                    if (x < box[0]) box[0] = x;
                    if (x > box[2]) box[2] = x;
                    if (y < box[1]) box[1] = y;
                    box[3] = y;
                }
        if (box[3] < 0) continue;
        int x1 = (int)floor((box[0] + w[0] + writing->origin[0]) * writing->scale[0]);
        int x2 = (int)floor((box[2] + w[0] + writing->origin[0]) * writing->scale[0]);
        int y2 = (int)floor((writing->origin[1] + writing->height - 1 - (box[1] + w[1])) * writing->scale[1]);
        int y1 = (int)floor((writing->origin[1] + writing->height - 1 - (box[3] + w[1])) * writing->scale[1]);
        for (int y = y1; y <= y2; y++)
            for (int x = x1; x <= x2; x += y - y1 < 2 || y2 - y < 2 || x - x1 < 2 || x2 - x < 2 ? 1 : x2 - 1 - x > 1 ? x2 - 1 - x : 1)
                if (x >= writing->window[0] && x < writing->window[2] && y >= writing->window[1] && y < writing->window[3]) {
                    float *at = (float *)picture_row(writing->output, y) + 4 * (x - writing->output->bounds[0]);
                    at[0] = at[1] = 1.0f;
                    at[2] = 0.0f;
                }
    }
}

/* Write the window; `alpha_hash` hears alpha from the top, when the window is the whole picture. */
static bool write_out(const Writing *writing, Hash *alpha_hash, Work *work) {
    enum { OFTEN = 64 };
    const int *w = writing->window;
    int count = w[2] - w[0];
    bool full = writing->scale[0] == 1.0 && writing->scale[1] == 1.0;
    size_t wide = (size_t)ceil(count / writing->scale[0]) + 4;
    float *alpha = malloc((size_t)count * sizeof *alpha), *row = full ? NULL : malloc(wide * sizeof *row);
    bool well = alpha && (full || row);
    for (int y = w[3] - 1; well && y >= w[1]; y--) {
        float *out = (float *)picture_row(writing->output, y) + 4 * (w[0] - writing->output->bounds[0]);
        const Picture *source = writing->source;
        if (!writing->mattes) memset(alpha, 0, (size_t)count * sizeof *alpha);
        else if (full) row_alpha(writing, writing->height - 1 - (y - writing->origin[1]), w[0] - writing->origin[0], count, alpha);
        else small_alpha(writing, y, alpha, row);
        bool plain = source && writing->mattes && writing->content <= OUTPUT_LAYER && writing->content != OUTPUT_PREMULTIPLIED;
        plain = plain && y >= source->bounds[1] && y < source->bounds[3] && w[0] >= source->bounds[0] && w[2] <= source->bounds[2];
        if (plain) row_merge(out, picture_row(source, y) + 4 * (w[0] - source->bounds[0]), alpha, (size_t)count);
        bool inside = source && y >= source->bounds[1] && y < source->bounds[3];
        const float *from = inside ? picture_row(source, y) - 4 * (long)source->bounds[0] : NULL;
        for (int x = 0; x < count && !plain; x++) {
            float *pixel = out + 4 * x;
            bool there = inside && x + w[0] >= source->bounds[0] && x + w[0] < source->bounds[2];
            const float *given = there ? from + 4 * (long)(x + w[0]) : NULL;
            for (int c = 0; c < 3; c++) pixel[c] = given ? no_nan(given[c]) : 0.0f;
            if (writing->mattes) finish(writing, pixel, alpha[x]);
            else pixel[3] = given ? no_nan(given[3]) : 0.0f;
        }
        if (alpha_hash) hash_add(alpha_hash, alpha, (size_t)count * sizeof *alpha);
        if (y % OFTEN == 0 && aborted(work)) well = false;
    }
    free(alpha);
    free(row);
    if (well && writing->mattes && writing->content == OUTPUT_BOXES) boxes(writing);
    return well;
}

/* -- the two things that are done ------------------------------------------------------------- */

static void keep(Instance *instance, const Recipe *known) {
    pthread_mutex_lock(&instance->lock);
    if (!instance->known.text || strcmp(instance->known.text, known->text)) recipe_copy(&instance->known, known);
    pthread_mutex_unlock(&instance->lock);
}

/* An input beside the plate that is connected, or NULL: the engine is not given these yet, and a
 * matte without what the artist wired would be a wrong one. */
static const char *beside(Instance *instance) {
    const Json *clips = json_get(instance->node, "clips");
    for (const Json *at = clips ? clips->child : NULL; at; at = at->next) {
        OfxClip clip;
        OfxProps props;
        int connected = 0;
        const char *name = json_text(at, "name", "");
        if (!json_true(at, "optional") || suites.effect->clip_handle(instance->effect, name, &clip, &props) != OFX_OK) continue;
        suites.props->get_int(props, "OfxImageClipPropConnected", 0, &connected);
        if (connected) return name;
    }
    return NULL;
}

/* What is asked of the engine for this frame, in `mine`. ENGINE_OK, ENGINE_ABORTED or ENGINE_ERROR. */
static int prepare(Work *work, const Named *named, bool proxy, Recipe *known, Recipe *mine, const char **note, char *message, size_t size) {
    Instance *instance = work->instance;
    *note = NULL;
    const char *other = beside(instance);
    if (other) {
        snprintf(message, size, "the input %s cannot be used in a host yet; disconnect it, or render a graph file", other);
        return ENGINE_ERROR;
    }
    if (proxy) {
        pthread_mutex_lock(&instance->lock);
        bool there = recipe_frame(&instance->known, work->frame) && recipe_copy(known, &instance->known);
        pthread_mutex_unlock(&instance->lock);
        if (!there) {
            snprintf(message, size, "a proxy is never tracked: look at this frame at full resolution once, or press Track");
            return ENGINE_ERROR;
        }
    } else {
        if (!recall(work, named, known, note)) {
            snprintf(message, size, "the plate could not be read");
            return work->stopped ? ENGINE_ABORTED : ENGINE_ERROR;
        }
        remember(known);
        keep(instance, known);
    }
    work->known = known;
    Text text = {0};
    bool well = compose(instance, known, work->frame, &text, message, size) && read_text(mine, &text);
    text_free(&text);
    return well ? ENGINE_OK : ENGINE_ERROR;
}

/* Which frames a render will fetch: this one, and what the engine lacks for it. Most often that is
 * nothing; for a few frames around it, or for the whole plate, the engine itself is asked. */
OfxStatus frames_needed(Instance *instance, OfxProps in, OfxProps out) {
    double time = 0;
    int first = 0, count = range(instance, &first);
    suites.props->get_double(in, "OfxPropTime", 0, &time);
    int frame = (int)lround(time);
    Recipe known = {0}, mine = {0};
    pthread_mutex_lock(&instance->lock);
    bool all = instance->lacking, near = false;
    bool seen = recipe_frames(&instance->known) > 1 && recipe_frame(&instance->known, frame) && recipe_copy(&known, &instance->known);
    pthread_mutex_unlock(&instance->lock);
    if (!seen) all |= suites.background;
    else if (!all) {
        char message[2048];
        Work work = {.instance = instance, .known = &known, .frame = frame, .low = 1};
        Text text = {0};
        if (compose(instance, &known, frame, &text, message, sizeof message) && read_text(&mine, &text))
            near = ask(&work, "track", &mine, false, NULL, message, sizeof message) == ENGINE_NEEDS;
        text_free(&text);
        if (suites.background) all = near;
    }
    all = all && count > 0;
    int low = frame, high = frame;
    if (all || near) {
        low = all ? first : frame - NEAR > first ? frame - NEAR : first;
        high = all ? first + count - 1 : frame + NEAR < first + count - 1 ? frame + NEAR : first + count - 1;
        low = low < frame ? low : frame;
        high = high > frame ? high : frame;
    }
    pthread_mutex_lock(&instance->lock);
    instance->all = all;
    instance->low = low;
    instance->high = high;
    pthread_mutex_unlock(&instance->lock);
    const Json *clips = json_get(instance->node, "clips");
    for (const Json *at = clips ? clips->child : NULL; at; at = at->next) {
        char property[200];
        bool moving = low < high;
        snprintf(property, sizeof property, "OfxImageClipPropFrameRange_%s", json_text(at, "name", ""));
        suites.props->set_double(out, property, 0, moving ? low : time);
        suites.props->set_double(out, property, 1, moving ? high : time);
    }
    recipe_free(&known);
    recipe_free(&mine);
    return OFX_OK;
}

OfxStatus render(Instance *instance, OfxProps in) {
    double time = 0, scale[2] = {1, 1};
    int window[4] = {0, 0, 0, 0};
    suites.props->get_double(in, "OfxPropTime", 0, &time);
    for (int i = 0; i < 4; i++) suites.props->get_int(in, "OfxImageEffectPropRenderWindow", i, &window[i]);
    for (int i = 0; i < 2; i++) suites.props->get_double(in, "OfxImageEffectPropRenderScale", i, &scale[i]);
    Picture output, source;
    if (!picture_get(&output, instance, instance->output, time)) return OFX_FAILED;
    for (int i = 0; i < 2; i++) {
        if (window[i] < output.bounds[i]) window[i] = output.bounds[i];
        if (window[i + 2] > output.bounds[i + 2]) window[i + 2] = output.bounds[i + 2];
    }
    bool there = picture_get(&source, instance, instance->source, time);
    Work work = {.instance = instance, .here = &source, .frame = (int)lround(time), .any = instance->all,
                 .low = instance->low, .high = instance->high};
    bool proxy = scale[0] != 1.0 || scale[1] != 1.0;
    Writing writing = {.source = there ? &source : NULL, .output = &output, .content = (Output)param_int(instance, PARAM_OUTPUT),
                       .layer = "", .scale = {scale[0], scale[1]}};
    memcpy(writing.window, window, sizeof window);
    OfxStatus status = OFX_OK;
    if (!there || window[2] <= window[0] || window[3] <= window[1]) {
        write_out(&writing, NULL, &work);
        picture_release(&source);
        picture_release(&output);
        return OFX_OK;
    }
    char message[2200] = "", layer[260];
    snprintf(layer, sizeof layer, "%s", param_string(instance, PARAM_LAYER));
    writing.layer = layer;
    const char *note = NULL;
    Named named;
    Recipe known = {0}, mine = {0};
    Mattes *mattes = calloc(1, sizeof *mattes);
    int answer = mattes ? ENGINE_OK : ENGINE_ERROR;
    if (time != floor(time)) {
        snprintf(message, sizeof message, "frame %g lies between two frames of the plate", time);
        answer = ENGINE_ERROR;
    }
    if (answer == ENGINE_OK && !proxy && !picture_name(&source, &named, aborted, &work)) answer = ENGINE_ABORTED;
    if (answer == ENGINE_OK) answer = prepare(&work, &named, proxy, &known, &mine, &note, message, sizeof message);
    /* nobody presses Track on a farm: the first frame tracks the shot */
    if (answer == ENGINE_OK && work.any) answer = ask(&work, "track", &mine, true, NULL, message, sizeof message);
    if (answer == ENGINE_OK) answer = ask(&work, "matte", &mine, false, mattes, message, sizeof message);
    if (answer == ENGINE_OK) {
        const Json *display = json_get(json_get(mine.root, "picture"), "display");
        writing.mattes = mattes;
        writing.height = display && display->child ? (int)display->child->next->next->next->number : 0;
        memcpy(writing.origin, source.origin, sizeof writing.origin);
        bool all = !proxy && !memcmp(window, source.bounds, sizeof window) && writing.content == OUTPUT_MATTE;
        Hash *hash = all ? hash_new() : NULL;
        if (proxy) writing.origin[0] = writing.origin[1] = 0;
        bool well = write_out(&writing, hash, &work);
        engine_release(instance->engine, mattes);
        unsigned char alpha[DIGEST];
        if (hash) hash_end(hash, alpha);
        if (!well) answer = ENGINE_ABORTED;
        else if (hash) {
            picture_rename(&source, &named, alpha);
            recipe_keep(named.whole, work.frame, mine.text);
        }
        pthread_mutex_lock(&instance->lock);
        instance->lacking = false;
        pthread_mutex_unlock(&instance->lock);
    }
    if (answer == ENGINE_OK) tell(instance, NOTE, note);
    else if (answer == ENGINE_ABORTED) status = OFX_FAILED;
    else {
        if (answer == ENGINE_NEEDS) {
            pthread_mutex_lock(&instance->lock);
            instance->lacking = true;
            pthread_mutex_unlock(&instance->lock);
        }
        int first;
        if (answer == ENGINE_ERROR && known.root && recipe_frames(&known) < 2 && range(instance, &first) > 1 && !strstr(message, "press Track"))
            snprintf(message + strlen(message), sizeof message - strlen(message), "%s", "; only this frame of the plate is known: press Track");
        tell(instance, ERROR, message);
        writing.mattes = NULL; /* the plate as it came */
        write_out(&writing, NULL, &work);
        /* on a farm a frame without its matte must not look like a finished one */
        status = suites.background ? OFX_FAILED : OFX_OK;
    }
    free(mattes);
    recipe_free(&known);
    recipe_free(&mine);
    picture_release(&source);
    picture_release(&output);
    return status;
}

void track(Instance *instance, OfxTime time) {
    int first = 0, count = range(instance, &first);
    int frame = (int)lround(time);
    if (count && (frame < first || frame >= first + count)) frame = first;
    if (suites.progress) suites.progress->start(instance->effect, "Rotograph");
    Picture here;
    Named named;
    Recipe known = {0}, mine = {0};
    char message[2048] = "there is no plate here; connect one";
    const char *note = NULL;
    Work work = {.instance = instance, .here = &here, .frame = frame, .any = true, .button = true};
    int answer = picture_get(&here, instance, instance->source, frame) ? ENGINE_OK : ENGINE_ERROR;
    if (answer == ENGINE_OK && !picture_name(&here, &named, aborted, &work)) answer = ENGINE_ABORTED;
    if (answer == ENGINE_OK) answer = prepare(&work, &named, false, &known, &mine, &note, message, sizeof message);
    if (answer == ENGINE_OK) answer = ask(&work, "track", &mine, true, NULL, message, sizeof message);
    if (suites.progress) suites.progress->end(instance->effect);
    if (answer == ENGINE_OK) {
        OfxParam param;
        if (suites.param->handle(instance->params, PARAM_RECIPE, &param, NULL) == OFX_OK) suites.param->set(param, known.text);
        tell(instance, NOTE, note);
    } else if (answer != ENGINE_ABORTED)
        tell(instance, ERROR, message);
    recipe_free(&known);
    recipe_free(&mine);
    picture_release(&here);
}
