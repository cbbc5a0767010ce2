/* Telling the host what a node is: its clips and parameters, from nodes.json. */
#include "plugin.h"

#include <string.h>

static void string(OfxProps props, const char *name, const char *value) {
    suites.props->set_string(props, name, 0, value);
}

OfxStatus describe(const Json *node, OfxEffect effect) {
    OfxProps props;
    if (suites.effect->get_properties(effect, &props) != OFX_OK) return OFX_FAILED;
    string(props, "OfxPropLabel", json_text(node, "name", ""));
    string(props, "OfxPropShortLabel", json_text(node, "name", ""));
    string(props, "OfxPropLongLabel", json_text(node, "name", ""));
    string(props, "OfxPropPluginDescription", json_text(node, "help", ""));
    string(props, "OfxImageEffectPluginPropGrouping", "Rotograph");
    suites.props->set_string(props, "OfxImageEffectPropSupportedContexts", 0, "OfxImageEffectContextFilter");
    suites.props->set_string(props, "OfxImageEffectPropSupportedContexts", 1, "OfxImageEffectContextGeneral");
    string(props, "OfxImageEffectPropSupportedPixelDepths", "OfxBitDepthFloat");
    string(props, "OfxImageEffectPluginRenderThreadSafety", "OfxImageEffectRenderInstanceSafe");
    suites.props->set_int(props, "OfxImageEffectPropSupportsTiles", 0, 0);
    suites.props->set_int(props, "OfxImageEffectPropSupportsMultiResolution", 0, 1);
    suites.props->set_int(props, "OfxImageEffectPropTemporalClipAccess", 0, 1);
    suites.props->set_int(props, "OfxImageEffectPluginPropHostFrameThreading", 0, 0);
    /* Natron's; other hosts say that they do not know it */
    string(props, "NatronOfxImageEffectPropChannelSelector", "OfxImageComponentNone");
    return OFX_OK;
}

static OfxProps define(OfxParamSet params, const char *type, const char *name, const char *label, const char *hint) {
    OfxProps props = NULL;
    if (suites.param->define(params, type, name, &props) != OFX_OK) return NULL;
    string(props, "OfxPropLabel", label);
    if (*hint) string(props, "OfxParamPropHint", hint);
    return props;
}

static void still(OfxProps props) { suites.props->set_int(props, "OfxParamPropAnimates", 0, 0); }

static OfxProps number(OfxParamSet params, const Json *said, const char *name, const char *label, const char *help) {
    bool whole = !strcmp(json_text(said, "kind", ""), "int");
    OfxProps props = define(params, whole ? "OfxParamTypeInteger" : "OfxParamTypeDouble", name, label, help);
    if (!props) return NULL;
    const double least = -1e9, most = 1e9, start = json_number(said, "default", 0);
    double low = json_number(said, "min", least), high = json_number(said, "max", most);
    double shown_low = low > least ? low : start - 100, shown_high = high < most ? high : start + 100;
    const struct {
        const char *name;
        double value;
    } all[] = {{"OfxParamPropDefault", start}, {"OfxParamPropMin", low}, {"OfxParamPropMax", high},
               {"OfxParamPropDisplayMin", shown_low}, {"OfxParamPropDisplayMax", shown_high}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (whole) suites.props->set_int(props, all[i].name, 0, (int)all[i].value);
        else suites.props->set_double(props, all[i].name, 0, all[i].value);
    if (!json_true(said, "animated")) still(props);
    return props;
}

static OfxProps declared_param(OfxParamSet params, const Json *said) {
    const char *kind = json_text(said, "kind", ""), *name = json_text(said, "name", "");
    const char *label = json_text(said, "label", name), *help = json_text(said, "help", "");
    if (!strcmp(kind, "float") || !strcmp(kind, "int")) return number(params, said, name, label, help);
    OfxProps props;
    if (!strcmp(kind, "bool")) {
        if ((props = define(params, "OfxParamTypeBoolean", name, label, help)))
            suites.props->set_int(props, "OfxParamPropDefault", 0, json_true(said, "default"));
    } else if (!strcmp(kind, "choice")) {
        if ((props = define(params, "OfxParamTypeChoice", name, label, help))) {
            const Json *choices = json_get(said, "choices");
            int index = 0, start = 0;
            for (const Json *at = choices ? choices->child : NULL; at; at = at->next, index++) {
                suites.props->set_string(props, "OfxParamPropChoiceOption", index, at->string);
                if (!strcmp(at->string, json_text(said, "default", ""))) start = index;
            }
            suites.props->set_int(props, "OfxParamPropDefault", 0, start);
        }
    } else if ((props = define(params, "OfxParamTypeString", name, label, help))) {
        string(props, "OfxParamPropDefault", json_text(said, "default", ""));
        string(props, "OfxParamPropStringMode", !strcmp(kind, "prompts") ? "OfxParamStringIsMultiLine" : "OfxParamStringIsSingleLine");
    }
    if (props) still(props);
    return props;
}

static bool own_params(OfxParamSet params) {
    static const char *const outputs[] = {"Matte", "Premultiplied", "One layer", "Overlay", "Boxes"};
    OfxProps props = define(params, "OfxParamTypePushButton", PARAM_TRACK, "Track",
                            "Look at the whole plate and compute every frame in the engine, with "
                            "progress; press again after an edit. Rendering is a look-up then.");
    if (!props) return false;
    props = define(params, "OfxParamTypeChoice", PARAM_OUTPUT, "Output",
                   "Matte: the plate untouched, the matte in alpha; what the next Rotograph node "
                   "needs. The others are for looking and for delivery.");
    if (!props) return false;
    for (int i = 0; i < 5; i++) suites.props->set_string(props, "OfxParamPropChoiceOption", i, outputs[i]);
    suites.props->set_int(props, "OfxParamPropDefault", 0, 0);
    still(props);
    if (!(props = define(params, "OfxParamTypeString", PARAM_LAYER, "Shown layer", "For Output: One layer, which."))) return false;
    string(props, "OfxParamPropStringMode", "OfxParamStringIsSingleLine");
    still(props);
    if (!(props = define(params, "OfxParamTypeString", PARAM_COLOUR, "Colour space",
                         "The plate's OCIO colour space here. Empty: scene-linear."))) return false;
    string(props, "OfxParamPropStringMode", "OfxParamStringIsSingleLine");
    still(props);
    if (!(props = define(params, "OfxParamTypeString", PARAM_RECIPE, "Recipe", "What the node computed when Track was pressed."))) return false;
    string(props, "OfxParamPropStringMode", "OfxParamStringIsMultiLine");
    suites.props->set_int(props, "OfxParamPropSecret", 0, 1);
    suites.props->set_int(props, "OfxParamPropEvaluateOnChange", 0, 0);
    still(props);
    return true;
}

/* A page of each name that the parameters give, in their order. */
static void pages(OfxParamSet params, const Json *list) {
    static const char *const own[] = {PARAM_TRACK, PARAM_OUTPUT, PARAM_LAYER, PARAM_COLOUR, PARAM_RECIPE};
    const char *done = NULL;
    OfxProps props = NULL;
    int index = 0;
    for (const Json *at = list ? list->child : NULL; at; at = at->next) {
        const char *page = json_text(at, "page", "");
        if (!done || strcmp(done, page)) {
            props = define(params, "OfxParamTypePage", json_text(at, "page_name", ""), page, "");
            index = 0;
            if (props && !done)
                for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                    suites.props->set_string(props, "OfxParamPropPageChild", index++, own[i]);
            done = page;
        }
        if (props) suites.props->set_string(props, "OfxParamPropPageChild", index++, json_text(at, "name", ""));
    }
}

static OfxStatus clip(OfxEffect effect, const char *name, bool input, bool optional) {
    OfxProps props;
    if (suites.effect->clip_define(effect, name, &props) != OFX_OK) return OFX_FAILED;
    string(props, "OfxImageEffectPropSupportedComponents", "OfxImageComponentRGBA");
    suites.props->set_int(props, "OfxImageEffectPropSupportsTiles", 0, 0);
    if (input) {
        suites.props->set_int(props, "OfxImageEffectPropTemporalClipAccess", 0, 1);
        suites.props->set_int(props, "OfxImageClipPropOptional", 0, optional);
    }
    return OFX_OK;
}

OfxStatus describe_in_context(const Json *node, OfxEffect effect, OfxProps in) {
    (void)in;
    OfxParamSet params;
    const Json *clips = json_get(node, "clips"), *list = json_get(node, "params");
    if (clip(effect, "Output", false, false) != OFX_OK) return OFX_FAILED;
    for (const Json *at = clips ? clips->child : NULL; at; at = at->next)
        if (clip(effect, json_text(at, "name", ""), true, json_true(at, "optional")) != OFX_OK) return OFX_FAILED;
    if (suites.effect->get_params(effect, &params) != OFX_OK || !own_params(params)) return OFX_FAILED;
    for (const Json *at = list ? list->child : NULL; at; at = at->next)
        if (!declared_param(params, at)) return OFX_FAILED;
    pages(params, list);
    return OFX_OK;
}
