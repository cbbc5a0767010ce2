/* What of this process decides pixels outside the graph: it goes with every request, as
 * rotograph_host/surroundings.py has it for Python. */
#include "platform.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 4096, SHORTEST = 200, MOST = 1000 };

/* The variables that an OCIO config may name: all of them. More than it uses may be told, and which
 * it uses decides what goes into a key. */
static void variables(Text *text) {
    int count = 0;
    text_put(text, ",\"variables\":{");
    for (char **at = platform_variables(); *at && count < MOST; at++) {
        char name[SHORTEST + 1];
        size_t width = 0;
        while (width < SHORTEST && ((*at)[width] == '_' || ((*at)[width] >= '0' && (*at)[width] <= '9') ||
                                    (((*at)[width] | 32) >= 'a' && ((*at)[width] | 32) <= 'z')))
            width++;
        const char *value = *at + width + 1;
        if (width == 0 || value[-1] != '=' || strlen(value) > LONGEST) continue;
        snprintf(name, width + 1, "%s", *at);
        if (count++) text_put(text, ",");
        text_quote(text, name);
        text_put(text, ":");
        text_quote(text, value);
    }
    text_put(text, "}");
}

static void put(Text *text, const char *name, const char *value) {
    text_format(text, ",\"%s\":", name);
    text_quote(text, value);
}

bool surroundings(Text *text, char *message, size_t size) {
    char path[LONGEST];
    const char *config = getenv("OCIO"), *models = getenv("ROTOGRAPH_MODELS"), *device = getenv("ROTOGRAPH_DEVICE");
    const char *policy = getenv("ROTOGRAPH_LICENCE_POLICY");
    if (policy && *policy && strcmp(policy, "commercial") && strcmp(policy, "research") && strcmp(policy, "any")) {
        snprintf(message, size, "%s", saying("policy"));
        return false;
    }
    if (!platform_cache(path, sizeof path)) *path = 0;
    text_put(text, "{\"store\":");
    text_quote(text, path);
    if (config && *config) {
        bool file = !strstr(config, "://");
        if (file) platform_absolute(path, sizeof path, config);
        put(text, "ocio", file ? path : config);
        if (file) variables(text);
    }
    if (models && *models) {
        platform_absolute(path, sizeof path, models);
        put(text, "models", path);
    }
    if (device && *device) put(text, "device", device);
    if (policy && *policy) put(text, "licences", policy);
    text_put(text, "}");
    return true;
}
