/* The OpenFX C ABI, as much of it as the plugin uses, declared by hand from the published standard.
 *
 * Suites are tables of function pointers in a fixed order; members that are not called here are
 * kept as plain pointers so that the offsets hold.
 */
#ifndef ROTOGRAPH_OFX_H
#define ROTOGRAPH_OFX_H

#include <stddef.h>

typedef int OfxStatus;
typedef double OfxTime;
typedef struct Properties *OfxProps;
typedef struct Effect *OfxEffect;
typedef struct Clip *OfxClip;
typedef struct ParamSet *OfxParamSet;
typedef struct Param *OfxParam;
typedef struct Interact *OfxInteract;

typedef struct { int x1, y1, x2, y2; } OfxRectI;
typedef struct { double x1, y1, x2, y2; } OfxRectD;
typedef struct { double x, y; } OfxPointD;

enum {
    OFX_OK = 0,
    OFX_FAILED = 1,
    OFX_MISSING_HOST_FEATURE = 4,
    OFX_MEMORY = 8,
    OFX_BAD_HANDLE = 9,
    OFX_REPLY_DEFAULT = 14,
};

typedef struct {
    OfxProps host;
    const void *(*fetch_suite)(OfxProps host, const char *name, int version);
} OfxHost;

typedef OfxStatus OfxEntry(const char *action, const void *handle, OfxProps in, OfxProps out);

typedef struct {
    const char *api;
    int api_version;
    const char *identifier;
    unsigned int major, minor;
    void (*set_host)(OfxHost *host);
    OfxEntry *main_entry;
} OfxPlugin;

typedef void OfxUnused(void);

typedef struct {
    OfxStatus (*set_pointer)(OfxProps, const char *, int, void *);
    OfxStatus (*set_string)(OfxProps, const char *, int, const char *);
    OfxStatus (*set_double)(OfxProps, const char *, int, double);
    OfxStatus (*set_int)(OfxProps, const char *, int, int);
    OfxUnused *set_pointers, *set_strings, *set_doubles, *set_ints;
    OfxStatus (*get_pointer)(OfxProps, const char *, int, void **);
    OfxStatus (*get_string)(OfxProps, const char *, int, char **);
    OfxStatus (*get_double)(OfxProps, const char *, int, double *);
    OfxStatus (*get_int)(OfxProps, const char *, int, int *);
    OfxUnused *get_pointers, *get_strings;
    OfxStatus (*get_doubles)(OfxProps, const char *, int, double *);
    OfxStatus (*get_ints)(OfxProps, const char *, int, int *);
    OfxUnused *reset;
    OfxStatus (*get_dimension)(OfxProps, const char *, int *);
} OfxPropertySuite;

typedef struct {
    OfxStatus (*get_properties)(OfxEffect, OfxProps *);
    OfxStatus (*get_params)(OfxEffect, OfxParamSet *);
    OfxStatus (*clip_define)(OfxEffect, const char *, OfxProps *);
    OfxStatus (*clip_handle)(OfxEffect, const char *, OfxClip *, OfxProps *);
    OfxUnused *clip_properties;
    OfxStatus (*clip_image)(OfxClip, OfxTime, const OfxRectD *, OfxProps *);
    OfxStatus (*release_image)(OfxProps);
    OfxStatus (*clip_rod)(OfxClip, OfxTime, OfxRectD *);
    int (*abort)(OfxEffect);
    OfxUnused *memory[4];
} OfxEffectSuite;

typedef struct {
    OfxStatus (*define)(OfxParamSet, const char *type, const char *name, OfxProps *);
    OfxStatus (*handle)(OfxParamSet, const char *name, OfxParam *, OfxProps *);
    OfxUnused *set_properties, *properties;
    OfxStatus (*get)(OfxParam, ...);
    OfxStatus (*get_at)(OfxParam, OfxTime, ...);
    OfxUnused *derivative, *integral;
    OfxStatus (*set)(OfxParam, ...);
    OfxUnused *set_at;
    OfxStatus (*key_count)(OfxParam, unsigned int *);
    OfxUnused *key_time, *key_index, *delete_key, *delete_keys, *copy;
    OfxStatus (*edit_begin)(OfxParamSet, const char *);
    OfxStatus (*edit_end)(OfxParamSet);
} OfxParamSuite;

typedef struct {
    OfxStatus (*message)(void *, const char *type, const char *id, const char *format, ...);
    OfxStatus (*set_persistent)(void *, const char *type, const char *id, const char *format, ...);
    OfxStatus (*clear_persistent)(void *);
} OfxMessageSuite;

typedef struct {
    OfxStatus (*start)(void *, const char *label);
    OfxStatus (*update)(void *, double);
    OfxStatus (*end)(void *);
} OfxProgressSuite;

typedef void OfxThread(unsigned int index, unsigned int count, void *with);

typedef struct {
    OfxStatus (*run)(OfxThread *, unsigned int count, void *with);
    OfxStatus (*count)(unsigned int *);
    OfxUnused *index, *spawned, *mutexes[5];
} OfxThreadSuite;

typedef struct {
    OfxStatus (*swap_buffers)(OfxInteract);
    OfxStatus (*redraw)(OfxInteract);
    OfxStatus (*properties)(OfxInteract, OfxProps *);
} OfxInteractSuite;

typedef struct {
    OfxUnused *get_colour;
    OfxStatus (*set_colour)(void *context, const float colour[4]);
    OfxStatus (*set_width)(void *context, float width);
    OfxUnused *set_stipple;
    OfxStatus (*draw)(void *context, int kind, const OfxPointD *points, int count);
    OfxUnused *draw_text;
} OfxDrawSuite;

typedef struct {
    OfxStatus (*time)(void *effect, OfxTime *);
    OfxStatus (*go)(void *effect, OfxTime);
    OfxUnused *bounds;
} OfxTimeLineSuite;

#if defined(__x86_64__) || defined(__aarch64__) || defined(_M_X64)
_Static_assert(sizeof(OfxHost) == 16, "OfxHost");
_Static_assert(sizeof(OfxPlugin) == 48, "OfxPlugin");
_Static_assert(sizeof(OfxPropertySuite) == 144, "property suite");
_Static_assert(sizeof(OfxEffectSuite) == 104, "image effect suite");
_Static_assert(sizeof(OfxParamSuite) == 144, "parameter suite");
_Static_assert(sizeof(OfxMessageSuite) == 24, "message suite");
_Static_assert(sizeof(OfxProgressSuite) == 24, "progress suite");
_Static_assert(sizeof(OfxThreadSuite) == 72, "multithread suite");
_Static_assert(sizeof(OfxInteractSuite) == 24, "interact suite");
_Static_assert(sizeof(OfxDrawSuite) == 48, "draw suite");
_Static_assert(sizeof(OfxTimeLineSuite) == 24, "time line suite");
#endif

#endif
