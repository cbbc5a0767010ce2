/* Drawing with what a host has. OpenGL is the host's: it is looked up when something is drawn, and
 * not linked, so that the plugin loads where there is none. */
#include "draw.h"

#include "platform.h"

#include <string.h>

static union {
    void *all[10];
    struct {
        void (*push)(unsigned), (*pop)(void), (*enable)(unsigned), (*disable)(unsigned), (*blend)(unsigned, unsigned);
        void (*begin)(unsigned), (*end)(void), (*vertex)(const double *), (*colour)(const float *), (*width)(float);
    } f;
} gl;

static bool found(void) {
    const char *name = "glPushAttrib\0glPopAttrib\0glEnable\0glDisable\0glBlendFunc\0"
                       "glBegin\0glEnd\0glVertex2dv\0glColor4fv\0glLineWidth";
    for (int i = 0; i < 10; i++, name += strlen(name) + 1)
        if (!gl.all[i] && !(gl.all[i] = platform_symbol(name))) return false;
    return true;
}

bool draw_begin(Brush *brush, OfxProps in) {
    enum { ALL = 0xFFFFF, BLEND = 0x0BE2, SMOOTH = 0x0B20, ALPHA = 0x0302, WITHOUT_ALPHA = 0x0303 };
    static const unsigned short off[] = {0x0DE1, 0x0B71, 0x0B50, 0x0B24}; /* textures, depth, lights, dashes */
    brush->context = NULL;
    if (suites.draw) suites.props->get_pointer(in, "OfxInteractPropDrawContext", 0, &brush->context);
    if (brush->context) return true;
    if (!found()) return false;
    gl.f.push(ALL);
    for (int i = 0; i < 4; i++) gl.f.disable(off[i]);
    gl.f.enable(BLEND);
    gl.f.enable(SMOOTH);
    gl.f.blend(ALPHA, WITHOUT_ALPHA);
    return true;
}

void draw_line(const Brush *brush, DrawKind kind, const float *points, int count) {
    float colour[4] = {0, 0, 0, 0.75f}, width = brush->width + 2; /* the rim first */
    OfxPointD at[DRAW_MOST];
    for (int i = 0; i < count; i++) at[i] = (OfxPointD){(points[2 * i] + brush->left) * brush->aspect, brush->top - points[2 * i + 1]};
    for (int pass = 0; pass < 2; pass++) {
        if (brush->context) {
            suites.draw->set_colour(brush->context, colour);
            suites.draw->set_width(brush->context, width);
            suites.draw->draw(brush->context, kind, at, count);
        } else {
            gl.f.colour(colour);
            gl.f.width(width);
            gl.f.begin(1 + kind / 2); /* GL_LINES, GL_LINE_LOOP */
            for (int i = 0; i < count; i++) gl.f.vertex(&at[i].x);
            gl.f.end();
        }
        for (int i = 0; i < 3; i++) colour[i] = (float)brush->colour[i] / 255;
        colour[3] = 1;
        width -= 2;
    }
}

void draw_sign(const Brush *brush, DrawKind kind, const float at[2], const signed char *shape, int count) {
    float points[2 * DRAW_MOST];
    for (int i = 0; i < 2 * count; i += 2) {
        points[i] = at[0] + shape[i] * brush->pixel[0];
        points[i + 1] = at[1] - shape[i + 1] * brush->pixel[1];
    }
    draw_line(brush, kind, points, count);
}

void draw_end(const Brush *brush) {
    if (!brush->context) gl.f.pop();
}
