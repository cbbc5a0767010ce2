/* Shared memory on Linux: anonymous files, sealed so that no reader can be hurt. */
#define _GNU_SOURCE
#include "platform.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* newer than the C library that the plugin is built for */
enum { ADD_SEALS = 1033, GET_SEALS = 1034, SEAL_SHRINK = 2, CLOSE_ON_EXEC = 1, ALLOW_SEALING = 2 };

int memory_create(size_t size, void **map) {
    int made = (int)syscall(SYS_memfd_create, "rotograph", CLOSE_ON_EXEC | ALLOW_SEALING);
    if (made < 0) return -1;
    if (ftruncate(made, (off_t)size) == 0 && fcntl(made, ADD_SEALS, SEAL_SHRINK) == 0) {
        *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
        if (*map != MAP_FAILED) return made;
    }
    close(made);
    return -1;
}

void *memory_open(int descriptor, size_t size) {
    struct stat status;
    int seals = fcntl(descriptor, GET_SEALS);
    if (seals < 0 || !(seals & SEAL_SHRINK)) return NULL;
    if (fstat(descriptor, &status) || (size_t)status.st_size < size) return NULL;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
    return map == MAP_FAILED ? NULL : map;
}

void memory_unmap(void *map, size_t size) { munmap(map, size); }

void memory_close(int descriptor) { close(descriptor); }
