/* One walk over a frame by all the threads that the host lends: one names it, the others write. */
#include "walk.h"

#include "rows.h"

enum { BLOCK = 1024, TALL = 16, THREADS = 8 };
enum { NAMES, MADE, WRITE };

typedef struct {
    Walk *walk;
    bool (*aborted)(void *);
    void *host;
    unsigned next;
    bool stopped;
} Task;

static int height(const int *area) { return area[3] - area[1]; }

static void name_row(Walk *walk, int y) {
    const Picture *picture = walk->named;
    float room[4 * BLOCK], colours[3 * BLOCK], coverage[BLOCK];
    for (int x = picture->area[0]; x < picture->area[2]; x += BLOCK) {
        size_t count = (size_t)(picture->area[2] - x < BLOCK ? picture->area[2] - x : BLOCK);
        const float *pixels = picture_part(picture, y, x, count, room);
        rows_colours(colours, pixels, count, true);
        hash_add(walk->rgb, colours, 3 * count * sizeof *colours);
        rows_coverage(coverage, pixels, count, true);
        rows_range(coverage, count, &walk->least, &walk->most);
        hash_add(walk->alpha, coverage, count * sizeof *coverage);
    }
}

/* What one thread takes: the whole of what must go in order, or a few rows to write. */
static bool take(Task *task, unsigned number) {
    Walk *walk = task->walk;
    int first = 0, last = 0;
    if (number == NAMES) last = walk->named ? height(walk->named->area) : 0;
    else if (walk->writing) {
        last = height(walk->writing->window);
        if (number >= WRITE && (first = (int)(number - WRITE) * TALL) >= last) return false;
        if (number >= WRITE && last > first + TALL) last = first + TALL;
    } else if (number > MADE)
        return false;
    for (int row = first; row < last && !task->stopped; row += TALL) {
        int end = row + TALL < last ? row + TALL : last;
        if (task->aborted && task->aborted(task->host)) task->stopped = true;
        else if (number == NAMES)
            for (int at = row; at < end; at++) name_row(walk, walk->named->area[3] - 1 - at);
        else if (number >= WRITE) task->stopped |= !write_rows(walk->writing, row, end);
        else if (walk->made) write_hash(walk->writing, row, end, walk->made);
    }
    return !task->stopped;
}

static void work_on(unsigned index, unsigned count, void *with) {
    Task *task = with;
    (void)index;
    (void)count;
    while (take(task, __atomic_fetch_add(&task->next, 1, __ATOMIC_RELAXED))) {}
}

bool walk(Walk *walk, bool (*aborted)(void *), void *host) {
    Task task = {walk, aborted, host, 0, false};
    unsigned threads = 1;
    if (suites.threads && suites.threads->count(&threads) == OFX_OK && threads > 1)
        suites.threads->run(work_on, threads < THREADS ? threads : THREADS, &task);
    work_on(0, 1, &task); /* all of it, where the host lends no threads now */
    return !task.stopped;
}
