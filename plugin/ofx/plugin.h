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
    const OfxThreadSuite *threads; /* or NULL */
    const OfxInteractSuite *interact;
    const OfxDrawSuite *draw; /* or NULL */
    const OfxTimeLineSuite *line;
    bool background; /* nobody watches: a farm, a headless renderer */
} Suites;

extern Suites suites;
extern const Json *declared; /* nodes.json */

enum { CLIPS = 8, HALF = 0x3800, SEEN = 64 }; /* a half, as Matte has it */

/* Mattes that the engine gave for a request. */
typedef struct {
    Mattes mattes;
    char *asked; /* the recipe */
    int frame;
} Answer;

typedef struct {
    const Json *node; /* its entry in nodes.json */
    OfxEffect effect;
    OfxParamSet params;
    OfxClip source, output;
    Engine *engine;
    pthread_mutex_t lock; /* of what follows: hosts call from several threads */
    Recipe known;         /* what came in last: the chain behind the node, its plate and other inputs */
    Answer *ready;        /* what was asked for ahead of the render, or NULL */
    bool all;             /* the whole plate was declared for the frame that comes */
    int low, high;        /* … or these frames, both ends included */
    uint64_t made[SEEN];  /* names of what was rendered of late, whose recipes are kept (render.c) */
    bool lacking;         /* frames were lacking: the next time all are declared */
    bool told;            /* a persistent message stands */
    struct Outline *outlines; /* of the frames that were rendered since the last edit */
} Instance;

/* the plugin's own parameters, which nodes.json lists apart */
#define PARAM_OUTPUT "output"
#define PARAM_LAYER "show_layer"
#define PARAM_COLOUR "colour_space"
#define PARAM_TRACK "track_button"
#define PARAM_RECIPE "recipe"
#define PARAM_SHOWN "clicks_shown"
#define PARAM_TOOL "clicks_tool"
#define PARAM_FOR "clicks_for"
#define PARAM_CLICKED "clicks_layer"

typedef enum { OUTPUT_MATTE, OUTPUT_PREMULTIPLIED, OUTPUT_LAYER, OUTPUT_OVERLAY, OUTPUT_BOXES } Output;

/* Hand on a list of properties of nodes.json. */
void tell_props(OfxProps props, const Json *said);
/* Hand on a list of properties of nodes.json. */
void tell_props(OfxProps props, const Json *said);
OfxStatus describe(const Json *node, OfxEffect effect);
OfxStatus describe_in_context(const Json *node, OfxEffect effect);

OfxStatus render(Instance *instance, OfxProps in);
OfxStatus frames_needed(Instance *instance, OfxProps in, OfxProps out);
void forget_plates(void);
/* button: PARAM_TRACK for the whole plate, or with what to track behind it: "_forward", … */
void track(Instance *instance, OfxTime time, const char *button);
/* The prompt that keeps what was tracked before a first correction there, in `made`; else nothing.
 * `made` has failed when the engine did not say within two seconds. */
void freeze(Instance *instance, int frame, const char *layer, Text *made);
/* The source's frames: how many, from which on; 0: not known. */
int range(Instance *instance, int *first);
Instance *instance_of(OfxEffect effect);
/* The recipe of the node's own picture: what came in, and the node with its parameters now. */
bool compose(Instance *instance, const Recipe *known, double time, Text *made, char *message, size_t size);
/* What the first operator that is at work takes in along with the plate; NULL: nothing. */
const Json *first_part(Instance *instance);
/* The operator that an alpha which no Rotograph node made counts for as a matte; NULL: none. */
const Json *outside_part(Instance *instance);
/* Whether no parameter says anything of one frame and not of another. */
bool frameless(Instance *instance);

Answer *answer_new(const char *asked, int frame); /* without mattes; NULL: out of memory */
void answer_free(Instance *instance, Answer *answer);
/* What was asked for ahead, with `other` put in its place. */
Answer *answer_take(Instance *instance, Answer *other);

/* The whole number below, nearest to, above a number. */
int below(double number);
int nearest(double number);
int above(double number);

/* What there is to say to a person, by its name in nodes.json. */
const char *saying(const char *name);
double prop_time(OfxProps in);
/* The clip of an input; NULL: nothing is connected. */
OfxClip clip_connected(Instance *instance, const char *name);
void tell(Instance *instance, const char *type, const char *message);

/* A parameter's value. Strings are the host's, to be used at once. */
int param_int(Instance *instance, const char *name);
const char *param_string(Instance *instance, const char *name);

#endif
