/* Telling the host what a node is: its clips and parameters, as nodes.json has them. */
#include "overlay.h"

/* The strings stay, as hosts want it: nodes.json is kept. */
void tell_props(OfxProps props, const Json *said) {
    static const char *const kinds[] = {"strings", "ints", "doubles"};
    for (int kind = 0; kind < 3; kind++)
        for (const Json *at = json_first(said, kinds[kind]); at; at = at->next) {
            int index = 0;
            for (const Json *value = at->child; value; value = value->next, index++)
                if (kind == 0) suites.props->set_string(props, at->name, index, value->string);
                else if (kind == 1) suites.props->set_int(props, at->name, index, (int)value->number);
                else suites.props->set_double(props, at->name, index, value->number);
        }
}

OfxStatus describe(const Json *node, OfxEffect effect) {
    OfxProps props;
    if (suites.effect->get_properties(effect, &props) != OFX_OK) return OFX_FAILED;
    tell_props(props, json_get(node, "ofx"));
    overlay_describe(node, props);
    return OFX_OK;
}

static bool clip(OfxEffect effect, const char *name, const Json *said) {
    OfxProps props;
    if (suites.effect->clip_define(effect, name, &props) != OFX_OK) return false;
    tell_props(props, said);
    return true;
}

OfxStatus describe_in_context(const Json *node, OfxEffect effect) {
    static const char *const lists[] = {"own", "params", "pages"};
    OfxParamSet params;
    bool well = clip(effect, "Output", json_get(node, "output")) && suites.effect->get_params(effect, &params) == OFX_OK;
    for (const Json *at = json_first(node, "clips"); at && well; at = at->next)
        well = clip(effect, json_word(at, "name"), json_get(at, "ofx"));
    for (int i = 0; i < 3; i++)
        for (const Json *at = json_first(node, lists[i]); at && well; at = at->next) {
            const Json *said = json_get(at, "ofx");
            OfxProps props;
            well = suites.param->define(params, json_word(said, "type"), json_word(at, "name"), &props) == OFX_OK;
            if (well) tell_props(props, said);
        }
    return well ? OFX_OK : OFX_FAILED;
}
