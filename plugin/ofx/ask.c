/* A request to the engine, and the frames that the engine then asks for. */
#include "outline.h"
#include "platform.h"
#include "work.h"

#include <stdio.h>
#include <string.h>

/* The input whose picture a plate of the recipe is: its port's name, and digits after it. */
static Wired *input_of(Work *work, const char *plate) {
    for (int i = 0; i < work->count; i++) {
        size_t size = strlen(work->wired[i].name);
        if (!strncmp(work->wired[i].name, plate, size) && (unsigned char)plate[size] <= '9')
            return &work->wired[i];
    }
    return NULL;
}

/* The picture with a digest, fetched if it may be; NULL: it is not to be had. */
static const Picture *wanted(Work *work, const char *digest, Content *content) {
    for (const Json *plate = json_first(work->mine->root, "plates"); plate; plate = plate->next) {
        Wired *wired = input_of(work, plate->name);
        int frame;
        if (!wired || !plate_when(plate, digest, work->frame + work->shift, &frame)) continue;
        frame -= work->shift;
        *content = wired->content;
        if (frame == work->frame && !strcmp(wired->digest, digest)) return &wired->here;
        if (!work->any && (frame < work->low || frame > work->high)) return NULL;
        picture_release(&work->other);
        if (!picture_get(&work->other, work->instance, wired->clip, frame)) return NULL;
        if (wired != work->wired) picture_as(&work->other, &work->wired->here);
        return &work->other;
    }
    return NULL;
}

static size_t frame_wanted(void *host, const char *digest, Text *text) {
    Work *work = host;
    Content content;
    const Picture *found = wanted(work, digest, &content);
    work->found = found;
    work->content = content;
    if (!found) return 0;
    const char *space = content == CONTENT_COLOURS ? json_word(json_get(recipe_plate(work->mine, PLATE), "picture"), "colour_space") : "";
    picture_text(found, content, space, text);
    return picture_bytes(found, content);
}

static bool frame_fill(void *host, const char *digest, float *pixels) {
    Work *work = host;
    (void)digest; /* it is the one that was wanted just now, and its room has that picture's size */
    bool well = picture_copy(work->found, work->content, pixels, work_aborted, work);
    picture_release(&work->other);
    return well;
}

int ask(Work *work, const char *type, const Recipe *mine, int low, int high, Mattes *mattes) {
    const Asking asking = {work_aborted, work_progress, frame_wanted, frame_fill, work->told, work};
    Text text = {0};
    work->mine = mine;
    text_format(&text, "\"type\":\"%s\",\"priority\":\"interactive\",\"folder\":\"/\",\"environment\":", type);
    bool well = surroundings(&text, work->message, sizeof work->message);
    text_put(&text, ",\"graph\":{\"rotograph\":1,\"nodes\":");
    text_json(&text, json_get(mine->root, "nodes"));
    text_put(&text, "},\"plates\":");
    text_json(&text, json_get(mine->root, "plates"));
    text_put(&text, ",\"node\":");
    text_quote(&text, json_word(mine->root, "node"));
    if (work->layer) {
        text_put(&text, ",\"layer\":");
        text_quote(&text, work->layer);
    }
    if (mattes) text_put(&text, ",\"format\":\"float16\"");
    if (mattes && outline_wanted(work->instance)) text_put(&text, ",\"outlines\":true");
    for (int frame = low; frame <= high; frame++) text_format(&text, "%s%d", frame == low ? ",\"frames\":[" : ",", frame + work->shift);
    if (low <= high) text_put(&text, "]");
    int answer = well ? engine_ask(work->instance->engine, &text, &asking, mattes, work->message, sizeof work->message) : ENGINE_ERROR;
    text_free(&text);
    picture_release(&work->other);
    return answer;
}
