/* Prompts on the viewer. Nothing is written before the pen is up: one edit, one undo. */
#include "overlay.h"

#include "draw.h"
#include "outline.h"
#include "picture.h"
#include "prompt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOOL_INSIDE, TOOL_OUTSIDE, TOOL_BOX, TOOL_REMOVE };
enum { SHIFT_LEFT = 0xFFE1, SHIFT_RIGHT = 0xFFE2, DELETE = 0xFFFF, BACKSPACE = 0xFF08, ESCAPE = 0xFF1B };
enum { HOLDERS = 4, REACH = 10, CLICK = 4, EDGE = 12 }; /* the middle ones in pixels of the screen */
#define ERROR "OfxMessageError"

typedef struct {
    Instance *instance;
    Brush brush;
    int frame, first, count; /* first, count: the plate's frames */
    float size[2], pen[2], from[2]; /* plate pixels, y down; from: where the pen went down */
    bool shift, held;
    int param, index, part;  /* what is under the pen, or held; index -1: nothing, or a new one */
    Prompt was, now;         /* what is held: before, and where it is drawn */
    char layer[260];
    int holders;             /* during one action: parameters that hold prompts, and what they hold */
    const Json *holder[HOLDERS];
    JsonTree *tree[HOLDERS]; /* NULL: it is not understood */
} Overlay;

/* -- the node's prompts ----------------------------------------------------------------------- */

static const char *name_of(const Json *param) { return json_word(param, "name"); }

static const Json *clicks(const Instance *instance, const char *what) { return json_get(json_get(instance->node, "clicks"), what); }

static void read_all(Overlay *o) {
    int i = 0;
    for (const Json *at = json_child(clicks(o->instance, "holders")); at && i < HOLDERS; at = at->next, i++) {
        o->holder[i] = at;
        o->tree[i] = prompts_read(param_string(o->instance, name_of(at)));
    }
    o->holders = i;
}

/* Every prompt that can be shown, one after the other. */
typedef struct {
    int param, index;
    const Json *at;
    Prompt prompt;
} Each;

static bool next(const Overlay *o, Each *each) {
    for (;;) {
        while (!each->at) {
            if (++each->param >= o->holders) return false;
            each->index = -1;
            each->at = json_child(json_root(o->tree[each->param]));
        }
        const Json *here = each->at;
        each->at = here->next;
        each->index++;
        if (prompt_read(here, &each->prompt)) return true;
    }
}

static bool same(const Prompt *a, const Prompt *b) {
    return a->kind == b->kind && a->frame == b->frame && !memcmp(a->at, b->at, sizeof a->at);
}

static void commit(Overlay *o, const Prompt *what) {
    Instance *instance = o->instance;
    const char *label = json_word(o->holder[o->param], "label");
    OfxParam param;
    Text made = {0}, frozen = {0};
    Each each = {.param = -1};
    bool well = o->index < 0;
    while (!well && next(o, &each)) /* nobody edited it meanwhile */
        well = each.param == o->param && each.index == o->index && same(&each.prompt, &o->was);
    if (!o->tree[o->param]) {
        text_format(&made, "%s: %s", label, saying("prompts"));
        tell(instance, ERROR, made.data);
    } else if (well) {
        if (o->index < 0 && json_true(o->holder[o->param], "freezes")) freeze(instance, what->frame, what->layer, &frozen);
        prompts_write(&made, o->tree[o->param], o->index, what, &frozen);
        if (frozen.failed) tell(instance, ERROR, saying("reach"));
        else if (!made.failed && suites.param->handle(instance->params, name_of(o->holder[o->param]), &param, NULL) == OFX_OK) {
            engine_hope(instance->engine);
            tell(instance, "", NULL);
            suites.param->edit_begin(instance->params, label);
            suites.param->set(param, made.data);
            suites.param->edit_end(instance->params);
        }
    }
    text_free(&made);
    text_free(&frozen);
}

/* -- where things are ------------------------------------------------------------------------- */

static float limit(float value, float most) { return value > 0 ? value < most ? value : most : 0; }

/* The viewer and the plate now. False: nothing is to be seen or clicked. */
static bool place(Overlay *o, OfxProps props, OfxProps in) {
    Instance *instance = o->instance;
    OfxProps clip;
    OfxClip source;
    if (!param_int(instance, PARAM_SHOWN) || suites.effect->clip_handle(instance->effect, "Source", &source, &clip) != OFX_OK) return false;
    double time = 0, aspect = 1, pixel[2] = {0, 0};
    int window[4];
    Brush *brush = &o->brush;
    suites.props->get_double(clip, "OfxImagePropPixelAspectRatio", 0, &aspect);
    suites.props->get_double(in, "OfxPropTime", 0, &time);
    static const char scale[] = "OfxInteractPropPixelScale";
    if (suites.props->get_doubles(in, scale, 2, pixel) != OFX_OK) suites.props->get_doubles(props, scale, 2, pixel);
    if (!(aspect > 0)) aspect = 1;
    pixel[0] /= aspect;
    brush->aspect = (float)aspect;
    o->frame = (int)time;
    o->count = range(instance, &o->first);
    display_window(instance, source, time, aspect, window);
    brush->left = (float)window[0];
    brush->top = (float)window[3];
    for (int i = 0; i < 2; i++) {
        o->size[i] = (float)(window[i + 2] - window[i]);
        brush->pixel[i] = (float)pixel[i];
        if (!(o->size[i] > 0 && brush->pixel[i] > 0)) return false;
    }
    snprintf(o->layer, sizeof o->layer, "%s", param_string(instance, PARAM_CLICKED));
    return time == o->frame;
}

/* From a value to one side, to the other, or to what lies between them. */
static float away(float value, int low, int high, const float *at) {
    float from = at[0] - value, to = value - at[2];
    return low ? fabsf(from) : high ? fabsf(to) : from > 0 ? from : to > 0 ? to : 0;
}

/* What is under the pen. */
static void find(Overlay *o) {
    /* which of a prompt's numbers a handle moves, bit i for at[i]: a point, then corners, then sides */
    static const unsigned char parts[] = {3, 6, 12, 9, 1, 2, 4, 8};
    float best = REACH;
    Each each = {.param = -1};
    o->index = -1;
    while (next(o, &each)) {
        const float *at = each.prompt.at;
        int count = each.prompt.kind == PROMPT_BOX ? 8 : each.prompt.kind == PROMPT_POINT ? 1 : 0;
        for (int i = 0; i < count && each.prompt.frame == o->frame; i++) {
            int part = parts[i];
            float x = away(o->pen[0], part & 1, part & 4, at) / o->brush.pixel[0];
            float y = away(o->pen[1], part & 2, part & 8, at + 1) / o->brush.pixel[1];
            float distance = (x > y ? x : y) + (float)(i > 3); /* rather a corner than a side */
            if (!(distance < best)) continue;
            best = distance;
            o->param = each.param;
            o->index = each.index;
            o->part = part;
            o->was = each.prompt;
        }
    }
}

/* Where what is held lies with the pen where it is. */
static void drag(Overlay *o) {
    int tool = param_int(o->instance, PARAM_TOOL);
    float way[2];
    bool moved = false;
    for (int i = 0; i < 2; i++) {
        way[i] = o->pen[i] - o->from[i];
        moved |= fabsf(way[i]) > CLICK * o->brush.pixel[i];
    }
    if (o->index < 0) { /* a point, or a box that is dragged by its corner */
        bool positive = tool == TOOL_BOX || (tool == TOOL_INSIDE && !o->shift);
        o->was = (Prompt){.frame = o->frame, .positive = positive, .layer = o->layer};
        o->was.kind = positive && (moved || tool == TOOL_BOX) ? PROMPT_BOX : PROMPT_POINT;
        for (int i = 0; i < 4; i++) o->was.at[i] = o->from[i & 1];
        o->part = o->was.kind == PROMPT_BOX ? 12 : 3;
        moved = true;
    }
    o->now = o->was;
    float *at = o->now.at;
    for (int i = 0; i < 4; i++)
        if (moved && o->part >> i & 1) at[i] = limit(at[i] + way[i & 1], o->size[i & 1]);
    for (int i = 0; i < 2 && o->now.kind == PROMPT_BOX; i++)
        if (at[i] > at[i + 2]) {
            float swap = at[i];
            at[i] = at[i + 2];
            at[i + 2] = swap;
        }
}

/* -- what a host tells ------------------------------------------------------------------------ */

static OfxStatus pen_down(Overlay *o) {
    find(o);
    if (o->index < 0) {
        if (!(o->pen[0] >= 0 && o->pen[1] >= 0 && o->pen[0] < o->size[0] && o->pen[1] < o->size[1])) return OFX_REPLY_DEFAULT;
        if (param_int(o->instance, PARAM_TOOL) == TOOL_REMOVE) return OFX_REPLY_DEFAULT;
        o->param = param_int(o->instance, PARAM_FOR);
        if ((unsigned)o->param >= (unsigned)o->holders) o->param = 0;
    }
    memcpy(o->from, o->pen, sizeof o->from);
    o->held = true;
    drag(o);
    return OFX_OK;
}

static void pen_up(Overlay *o) {
    const float *at = o->now.at;
    drag(o);
    o->held = false;
    if (o->index >= 0 && param_int(o->instance, PARAM_TOOL) == TOOL_REMOVE) commit(o, NULL);
    else if (o->now.kind == PROMPT_BOX && !(at[2] - at[0] > 0.5f && at[3] - at[1] > 0.5f)) return; /* it has no inside */
    else if (o->index < 0 && !*o->layer) tell(o->instance, ERROR, saying("layer"));
    else if (o->index < 0 || !same(&o->was, &o->now)) commit(o, &o->now);
}

static OfxStatus key(Overlay *o, OfxProps in, bool down) {
    int symbol = 0;
    suites.props->get_int(in, "kOfxPropKeySym", 0, &symbol);
    if (symbol == SHIFT_LEFT || symbol == SHIFT_RIGHT) o->shift = down;
    if (down && symbol == ESCAPE && o->held) {
        o->held = false;
        return OFX_OK;
    }
    if (!down || o->held || (symbol != DELETE && symbol != BACKSPACE)) return OFX_REPLY_DEFAULT;
    find(o); /* what was there may be gone */
    if (o->index < 0) return OFX_REPLY_DEFAULT;
    commit(o, NULL);
    return OFX_OK;
}

/* -- drawing ---------------------------------------------------------------------------------- */

static const unsigned char *colour_of(const char *layer) {
    static const unsigned char colours[7][3] = {{86, 180, 233}, {240, 228, 66}, {230, 159, 0}, {0, 200, 140}, {255, 112, 67}, {224, 142, 190}, {160, 170, 255}};
    unsigned sum = 2166136261u;
    for (; *layer; layer++) sum = (sum ^ (unsigned char)*layer) * 16777619u;
    return colours[sum % 7];
}

static const signed char PLUS[] = {-5, 0, 5, 0, 0, -5, 0, 5}; /* its first line: minus */
static const signed char CIRCLE[] = {10, 0, 9, 5, 5, 9, 0, 10, -5, 9, -9, 5, -10, 0, -9, -5, -5, -9, 0, -10, 5, -9, 9, -5};
static const signed char SQUARE[] = {9, 9, -9, 9, -9, -9, 9, -9};
static const signed char CORNER[] = {3, 3, -3, 3, -3, -3, 3, -3};
static const signed char DIAMOND[] = {0, 6, 6, 0, 0, -6, -6, 0};
static const signed char TICK[] = {0, -8, 0, 8};

/* Inside: a plus in a circle. Outside: a minus in a square. */
static void prompt_draw(const Brush *brush, const Prompt *prompt) {
    const float *at = prompt->at;
    bool positive = prompt->positive;
    if (prompt->kind == PROMPT_POINT) {
        draw_sign(brush, DRAW_PAIRS, at, PLUS, positive ? 4 : 2);
        draw_sign(brush, DRAW_LOOP, at, positive ? CIRCLE : SQUARE, positive ? 12 : 4);
    } else if (prompt->kind == PROMPT_BOX) {
        const float corners[8] = {at[0], at[1], at[2], at[1], at[2], at[3], at[0], at[3]};
        draw_line(brush, DRAW_LOOP, corners, 4);
        for (int i = 0; i < 8; i += 2) draw_sign(brush, DRAW_LOOP, corners + i, CORNER, 4);
    }
}

/* Where a frame lies along the plate's lower edge. */
static void strip(const Overlay *o, int frame, float at[2]) {
    float edge = EDGE * o->brush.pixel[0];
    float part = o->count > 1 ? limit((float)(frame - o->first) / (float)(o->count - 1), 1) : 0.5f;
    at[0] = edge + part * (o->size[0] - 2 * edge);
    at[1] = o->size[1] - EDGE * o->brush.pixel[1];
}

static OfxStatus paint(Overlay *o, OfxProps in) {
    Brush *brush = &o->brush;
    Each each = {.param = -1};
    float at[4];
    if (!draw_begin(brush, in)) return OFX_REPLY_DEFAULT;
    bool mine = !pthread_mutex_trylock(&o->instance->lock); /* drawing waits for nobody */
    for (const Outline *line = mine ? o->instance->outlines : NULL; line; line = line->next) {
        brush->colour = colour_of(line->layer);
        brush->width = strcmp(line->layer, o->layer) ? 1.5f : 2.5f;
        for (int i = 0; i < line->count && line->frame == o->frame; i += DRAW_MOST)
            draw_line(brush, DRAW_PAIRS, line->points + 2 * i, line->count - i < DRAW_MOST ? line->count - i : DRAW_MOST);
    }
    if (mine) pthread_mutex_unlock(&o->instance->lock);
    while (next(o, &each)) {
        bool held = o->index == each.index && o->param == each.param;
        int frame = each.prompt.frame;
        brush->colour = colour_of(each.prompt.layer);
        brush->width = strcmp(each.prompt.layer, o->layer) ? 1.5f : 2;
        strip(o, frame, at);
        if (frame >= o->first && frame < o->first + o->count) draw_sign(brush, DRAW_LOOP, at, DIAMOND, 4); /* an anchor */
        if (held) brush->width = 3.5f;
        if (frame == o->frame) prompt_draw(brush, held && o->held ? &o->now : &each.prompt);
    }
    brush->width = 2;
    brush->colour = colour_of(o->layer);
    if (o->held && o->index < 0) prompt_draw(brush, &o->now);
    brush->colour = (const unsigned char *)"\377\377\377";
    strip(o, o->first, at);
    strip(o, o->first + o->count - 1, at + 2);
    draw_line(brush, DRAW_PAIRS, at, 2);
    strip(o, o->frame, at);
    draw_sign(brush, DRAW_PAIRS, at, TICK, 2);
    draw_end(brush);
    return OFX_OK;
}

/* -- the interact's entry point ----------------------------------------------------------------- */

static OfxStatus act(Overlay *o, const char *action, OfxProps in) {
    if (*action == 'D') return paint(o, in);
    if (*action == 'K') return action[3] == 'R' ? OFX_REPLY_DEFAULT : key(o, in, action[3] == 'D'); /* not KeyRepeat */
    double pen[2];
    if (*action != 'P' || suites.props->get_doubles(in, "OfxInteractPropPenPosition", 2, pen) != OFX_OK) return OFX_REPLY_DEFAULT;
    o->pen[0] = (float)pen[0] / o->brush.aspect - o->brush.left;
    o->pen[1] = o->brush.top - (float)pen[1];
    if (action[3] == 'D') return pen_down(o);
    bool held = o->held;
    if (!held) find(o);
    else if (action[3] == 'M') drag(o);
    else pen_up(o);
    return held ? OFX_OK : OFX_REPLY_DEFAULT;
}

static OfxStatus overlay(const char *action, const void *handle, OfxProps in, OfxProps out) {
    (void)out;
    OfxProps props;
    void *found = NULL, *effect = NULL;
    OfxInteract self = (OfxInteract)handle;
    if (!strcmp(action, "OfxActionDescribe")) return OFX_OK;
    if (suites.interact->properties(self, &props) != OFX_OK) return OFX_FAILED;
    suites.props->get_pointer(props, "OfxPropInstanceData", 0, &found);
    suites.props->get_pointer(props, "OfxPropEffectInstance", 0, &effect);
    Overlay *o = found;
    Instance *instance = effect ? instance_of(effect) : NULL;
    if (!strcmp(action, "OfxActionCreateInstance")) {
        if (!instance || !(o = calloc(1, sizeof *o))) return OFX_FAILED;
        o->index = -1;
        tell_props(props, clicks(instance, "ofx"));
        return suites.props->set_pointer(props, "OfxPropInstanceData", 0, o);
    }
    if (!strcmp(action, "OfxActionDestroyInstance")) {
        free(o);
        return OFX_OK;
    }
    if (!o || !in || action[3] != 'I') return OFX_REPLY_DEFAULT;
    action += sizeof "OfxInteractAction" - 1;
    o->instance = instance;
    if (*action == 'L') o->shift = o->held = false; /* LoseFocus */
    if (!instance || !place(o, props, in)) {
        o->held = false;
        return OFX_REPLY_DEFAULT;
    }
    int before = o->index;
    read_all(o);
    OfxStatus status = act(o, action, in);
    for (int i = 0; i < o->holders; i++) json_free(o->tree[i]);
    if (*action != 'D' && (status == OFX_OK || before != o->index)) suites.interact->redraw(self);
    return status;
}

void overlay_describe(const Json *node, OfxProps effect) {
    if (!suites.interact || !json_get(node, "clicks")) return;
    suites.props->set_pointer(effect, "OfxImageEffectPluginPropOverlayInteractV1", 0, (void *)overlay);
    if (suites.draw) suites.props->set_pointer(effect, "OfxImageEffectPluginPropOverlayInteractV2", 0, (void *)overlay);
}
