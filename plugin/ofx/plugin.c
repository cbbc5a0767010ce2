/* The two entry points of the bundle, and what a host asks of each node. */
#include "plugin.h"

#include "engine.h"
#include "outline.h"
#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 8 };

Suites suites;
const Json *declared;
static JsonTree *description;
static OfxPlugin plugins[NODES];
static const Json *nodes[NODES];
static int count;

static const void *suite(const char *name, int version) {
    return suites.host->fetch_suite(suites.host->host, name, version);
}

static OfxStatus load(void) {
    if (!suites.host) return OFX_MISSING_HOST_FEATURE;
    suites.props = suite("OfxPropertySuite", 1);
    suites.effect = suite("OfxImageEffectSuite", 1);
    suites.param = suite("OfxParameterSuite", 1);
    suites.message = suite("OfxMessageSuite", 2);
    suites.progress = suite("OfxProgressSuite", 1);
    suites.threads = suite("OfxMultiThreadSuite", 1);
    suites.interact = suite("OfxInteractSuite", 1);
    suites.draw = suite("OfxDrawSuite", 1);
    suites.line = suite("OfxTimeLineSuite", 1);
    if (!suites.props || !suites.effect || !suites.param) return OFX_MISSING_HOST_FEATURE;
    int background = 0;
    char *name = NULL;
    suites.props->get_int(suites.host->host, "OfxImageEffectHostPropIsBackground", 0, &background);
    suites.props->get_string(suites.host->host, "OfxPropName", 0, &name);
    suites.background = background != 0;
    engine_names(json_word(declared, "version"), name ? name : "OpenFX");
    return OFX_OK;
}

int below(double number) {
    int whole = (int)number;
    return whole - (number < whole);
}

int nearest(double number) { return below(number + 0.5); }

int above(double number) { return -below(-number); }

const char *saying(const char *name) { return json_word(json_get(declared, "says"), name); }

double prop_time(OfxProps in) {
    double time = 0;
    suites.props->get_double(in, "OfxPropTime", 0, &time);
    return time;
}

OfxClip clip_connected(Instance *instance, const char *name) {
    OfxClip clip;
    OfxProps props;
    int connected = 0;
    if (suites.effect->clip_handle(instance->effect, name, &clip, &props) == OFX_OK)
        suites.props->get_int(props, "OfxImageClipPropConnected", 0, &connected);
    return connected ? clip : NULL;
}

void tell(Instance *instance, const char *type, const char *message) {
    if (!suites.message || !suites.message->set_persistent) return;
    if (message) suites.message->set_persistent(instance->effect, type, "rotograph", "%s", message);
    else if (instance->told) suites.message->clear_persistent(instance->effect);
    instance->told = message != NULL;
}

int param_int(Instance *instance, const char *name) {
    OfxParam param;
    int value = 0;
    if (suites.param->handle(instance->params, name, &param, NULL) == OFX_OK) suites.param->get(param, &value);
    return value;
}

const char *param_string(Instance *instance, const char *name) {
    OfxParam param;
    char *value = NULL;
    if (suites.param->handle(instance->params, name, &param, NULL) == OFX_OK) suites.param->get(param, &value);
    return value ? value : "";
}

Instance *instance_of(OfxEffect effect) {
    OfxProps props;
    void *found = NULL;
    if (suites.effect->get_properties(effect, &props) == OFX_OK)
        suites.props->get_pointer(props, "OfxPropInstanceData", 0, &found);
    return found;
}

static OfxStatus create(const Json *node, OfxEffect effect) {
    Instance *made = calloc(1, sizeof *made);
    OfxProps props;
    if (!made || !(made->engine = engine_new())) {
        free(made);
        return OFX_MEMORY;
    }
    made->node = node;
    made->effect = effect;
    made->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (suites.effect->get_params(effect, &made->params) != OFX_OK ||
        suites.effect->clip_handle(effect, "Source", &made->source, NULL) != OFX_OK ||
        suites.effect->clip_handle(effect, "Output", &made->output, NULL) != OFX_OK ||
        suites.effect->get_properties(effect, &props) != OFX_OK) {
        engine_free(made->engine);
        free(made);
        return OFX_FAILED;
    }
    recipe_read(&made->known, param_string(made, PARAM_RECIPE));
    suites.props->set_pointer(props, "OfxPropInstanceData", 0, made);
    return OFX_OK;
}

static OfxStatus destroy(Instance *instance) {
    if (!instance) return OFX_OK;
    outline_forget(instance);
    answer_free(instance, instance->ready);
    recipe_free(&instance->known);
    engine_free(instance->engine);
    free(instance);
    return OFX_OK;
}

static OfxStatus changed(Instance *instance, OfxProps in) {
    char *name = NULL, *reason = NULL;
    suites.props->get_string(in, "OfxPropName", 0, &name);
    suites.props->get_string(in, "OfxPropChangeReason", 0, &reason);
    if (!instance || !name) return OFX_REPLY_DEFAULT;
    bool edited = reason && !strcmp(reason, "OfxChangeUserEdited");
    if (edited) {
        engine_hope(instance->engine);
        tell(instance, "", NULL);
    }
    if (reason && strcmp(reason, "OfxChangeTime") && strncmp(name, "clicks_", 7)) outline_forget(instance);
    if (!strcmp(name, PARAM_RECIPE)) { /* undo, redo, a pasted node */
        Recipe now, before;
        recipe_read(&now, param_string(instance, PARAM_RECIPE)); /* a host is never called with the lock held */
        pthread_mutex_lock(&instance->lock);
        before = instance->known;
        instance->known = now;
        pthread_mutex_unlock(&instance->lock);
        recipe_free(&before);
    }
    if (edited && !strncmp(name, PARAM_TRACK, sizeof PARAM_TRACK - 1)) track(instance, prop_time(in), name);
    return OFX_OK;
}

/* Every input is looked at as a whole: a part of a picture has another digest. */
static OfxStatus regions(Instance *instance, OfxProps in, OfxProps out) {
    double time = prop_time(in);
    char property[200];
    OfxRectD area;
    const Json *clips = json_get(instance->node, "clips");
    for (const Json *at = clips ? clips->child : NULL; at; at = at->next) {
        const char *name = json_word(at, "name");
        OfxClip clip = clip_connected(instance, name);
        if (!clip || suites.effect->clip_rod(clip, time, &area) != OFX_OK) continue;
        snprintf(property, sizeof property, "OfxImageClipPropRoI_%s", name);
        const double sides[4] = {area.x1, area.y1, area.x2, area.y2};
        for (int i = 0; i < 4; i++) suites.props->set_double(out, property, i, sides[i]);
    }
    return OFX_OK;
}

static OfxStatus definition(Instance *instance, OfxProps in, OfxProps out) {
    OfxRectD area;
    if (suites.effect->clip_rod(instance->source, prop_time(in), &area) != OFX_OK) return OFX_REPLY_DEFAULT;
    const double sides[4] = {area.x1, area.y1, area.x2, area.y2};
    for (int i = 0; i < 4; i++) suites.props->set_double(out, "OfxImageEffectPropRegionOfDefinition", i, sides[i]);
    return OFX_OK;
}

static OfxStatus preferences(OfxProps out) {
    tell_props(out, json_get(declared, "preferences"));
    return OFX_OK;
}

static OfxStatus act(int which, const char *action, const void *handle, OfxProps in, OfxProps out) {
    OfxEffect effect = (OfxEffect)handle;
    const Json *node = nodes[which];
    if (!strcmp(action, "OfxActionLoad")) return load();
    if (!strcmp(action, "OfxActionUnload")) {
        forget_plates();
        return OFX_OK;
    }
    if (!strcmp(action, "OfxActionDescribe")) return describe(node, effect);
    if (!strcmp(action, "OfxImageEffectActionDescribeInContext")) return describe_in_context(node, effect);
    if (!strcmp(action, "OfxActionCreateInstance")) return create(node, effect);
    Instance *instance = effect && suites.effect ? instance_of(effect) : NULL;
    if (!strcmp(action, "OfxActionDestroyInstance")) return destroy(instance);
    if (!instance) return OFX_REPLY_DEFAULT;
    if (!strcmp(action, "OfxImageEffectActionRender")) return render(instance, in);
    if (!strcmp(action, "OfxImageEffectActionGetFramesNeeded")) return frames_needed(instance, in, out);
    if (!strcmp(action, "OfxImageEffectActionGetRegionsOfInterest")) return regions(instance, in, out);
    if (!strcmp(action, "OfxImageEffectActionGetRegionOfDefinition")) return definition(instance, in, out);
    if (!strcmp(action, "OfxImageEffectActionGetClipPreferences")) return preferences(out);
    if (!strcmp(action, "OfxActionInstanceChanged")) return changed(instance, in);
    return OFX_REPLY_DEFAULT;
}

/* A host's call does not say which plugin it is for: each has an entry of its own. */
#define ENTRY(n) \
    static OfxStatus entry_##n(const char *action, const void *handle, OfxProps in, OfxProps out) { \
        return act(n, action, handle, in, out); \
    }
ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7)
static OfxEntry *const entries[NODES] = {entry_0, entry_1, entry_2, entry_3, entry_4, entry_5, entry_6, entry_7};

static void set_host(OfxHost *host) { suites.host = host; }

/* nodes.json of the bundle: beside the folder of the binary, in Resources. Kept until the end,
 * for hosts hold on to strings. */
static void read_nodes(void) {
    char path[4096];
    size_t size;
    if (description || !platform_self(path, sizeof path - 40)) return;
    size_t end = strlen(path);
    while (end && path[end - 1] != '/') end--;
    snprintf(path + end, sizeof path - end, "../Resources/nodes.json");
    char *data = platform_read(path, &size, 4 << 20);
    description = data ? json_parse(data, size) : NULL;
    free(data);
    declared = json_root(description);
    const Json *list = json_get(declared, "nodes");
    for (const Json *at = list ? list->child : NULL; at && count < NODES; at = at->next, count++) {
        nodes[count] = at;
        plugins[count] = (OfxPlugin){"OfxImageEffectPluginAPI", 1, json_word(at, "id"),
                                     (unsigned)json_number(at, "version", 1), 0, set_host, entries[count]};
    }
}

__attribute__((visibility("default"))) int OfxGetNumberOfPlugins(void);
__attribute__((visibility("default"))) OfxPlugin *OfxGetPlugin(int number);

int OfxGetNumberOfPlugins(void) {
    read_nodes();
    return count;
}

OfxPlugin *OfxGetPlugin(int number) {
    read_nodes();
    return number >= 0 && number < count ? &plugins[number] : NULL;
}
