/* What the plugin's own parts share: the host's suites, the declared nodes, one node's instance. */
#ifndef ROTOGRAPH_PLUGIN_H
#define ROTOGRAPH_PLUGIN_H

#include "engine.h"
#include "json.h"
#include "ofx.h"
#include "recipe.h"

#include <pthread.h>

typedef struct {
    const OfxHost *host;
    const OfxPropertySuite *props;
    const OfxEffectSuite *effect;
    const OfxParamSuite *param;
    const OfxMessageSuite *message;
    const OfxProgressSuite *progress;
    const OfxInteractSuite *interact;
    bool background; /* nobody watches: a farm, a headless renderer */
} Suites;

extern Suites suites;
extern const Json *declared; /* nodes.json */

enum { CLIPS = 8 };

typedef struct {
    const Json *node; /* its entry in nodes.json */
    OfxEffect effect;
    OfxParamSet params;
    OfxClip source, output;
    Engine *engine;
    pthread_mutex_t lock; /* of what follows: hosts call from several threads */
    Recipe known;         /* what came in last: the chain behind the node, and its plate */
    bool all;             /* the whole plate was declared for the frame that comes */
    int low, high;        /* … or these frames, both ends included */
    bool lacking;         /* frames were lacking: the next time all are declared */
    bool told;            /* a persistent message stands */
} Instance;

/* parameters that the nodes.json does not declare: the plugin's own */
#define PARAM_OUTPUT "output"
#define PARAM_LAYER "show_layer"
#define PARAM_COLOUR "colour_space"
#define PARAM_TRACK "track_button"
#define PARAM_RECIPE "recipe"

typedef enum { OUTPUT_MATTE, OUTPUT_PREMULTIPLIED, OUTPUT_LAYER, OUTPUT_OVERLAY, OUTPUT_BOXES } Output;

OfxStatus describe(const Json *node, OfxEffect effect);
OfxStatus describe_in_context(const Json *node, OfxEffect effect, OfxProps in);

OfxStatus render(Instance *instance, OfxProps in);
OfxStatus frames_needed(Instance *instance, OfxProps in, OfxProps out);
void forget_plates(void);
void track(Instance *instance, OfxTime time);
/* The recipe of the node's own picture: what came in, and the node with its parameters now. */
bool compose(Instance *instance, const Recipe *known, double time, Text *made, char *message, size_t size);
/* What the first operator that is at work takes in along with the plate; NULL: nothing. */
const Json *first_part(Instance *instance);

void tell(Instance *instance, const char *type, const char *message);

/* A parameter's value. Strings are the host's, to be used at once. */
int param_int(Instance *instance, const char *name);
const char *param_string(Instance *instance, const char *name);

#endif
