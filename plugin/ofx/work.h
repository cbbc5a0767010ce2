/* What one render, one look at the frames it needs, or one press of Track is about. */
#ifndef ROTOGRAPH_WORK_H
#define ROTOGRAPH_WORK_H

#include "picture.h"

#define MESSAGE_ERROR "OfxMessageError"
#define MESSAGE_NOTE "OfxMessageMessage"

/* A picture that is wired to the node: its plate, one beside it by the name of its port, or the alpha
 * that came in with the plate ("outside") where no Rotograph node made it. */
typedef struct {
    const char *name;
    OfxClip clip;
    Content content;
    Picture here; /* on the frame; without an image when there is none */
    char digest[DIGEST_TEXT];
} Wired;

#define PLATE "plate"
#define OUTSIDE "outside"

typedef struct {
    Instance *instance;
    Wired wired[CLIPS + 1]; /* the plate first; "outside" last, when it counts */
    int count;
    Named named;         /* the plate's picture */
    const Recipe *mine;  /* what is asked for */
    int frame;           /* of the host */
    int shift;           /* to the recipe's */
    bool any;            /* whether every frame of the inputs may be fetched */
    int low, high;       /* … or these, both ends included */
    bool button;
    bool step;           /* one frame: the rest of the plate is taken as it was known */
    bool stopped;
    Picture other;       /* another frame, while the engine gets it */
    char message[2400];
    const char *note;    /* what the artist should know, or NULL */
    double until;        /* wait no longer; 0: until the host aborts */
    const Picture *found; /* what the engine is about to get, and what of it */
    Content content;
    const char *layer;   /* whose mask is asked for, or NULL */
    Text *told;          /* what the engine says of it */
} Work;

/* work.c */
void work_say(Work *work, const char *name); /* into its message */
/* Whether more of the plate is known than of a picture that is wired beside it. */
bool work_partly(Instance *instance, const Recipe *known);
bool work_aborted(void *work);
void work_progress(void *work, double part);
/* The pictures beside the plate on this frame, named; false: stopped. */
bool work_look(Work *work);
void work_end(Work *work);
/* What of a picture's names counts for an input. */
const char *named_as(const Named *named, Content content);

/* recall.c: what came in, in `known`: the chain behind the picture or its plate alone, and the node's
 * own inputs. False: stopped, or it cannot be read. */
bool recall(Work *work, Recipe *known);
/* What came in at a press of a button or a render, and in `mine` what is asked of the engine for it.
 * ENGINE_OK, ENGINE_ABORTED or ENGINE_ERROR. */
int prepare(Work *work, bool proxy, Recipe *known, Recipe *mine);

/* ask.c: ask the engine for the host's frames from `low` to `high`; for all when there is none. */
int ask(Work *work, const char *type, const Recipe *mine, int low, int high, Mattes *mattes);
/* In which store, colours and models; false: `message` says what is wrong there. */
bool surroundings(Text *text, char *message, size_t size);

#endif
