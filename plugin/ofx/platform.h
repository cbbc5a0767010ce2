/* What differs between platforms: transport_*.c (sockets, starting the engine) and memory_*.c. */
#ifndef ROTOGRAPH_PLATFORM_H
#define ROTOGRAPH_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

/* transport */
int transport_connect(const char *version);  /* a descriptor, or -1: nobody is there, or not ours */
void transport_close(int connection);
long transport_send(int connection, const void *data, size_t size, int descriptor);
/* Bytes read, 0 at the end, -1 nothing within the time; `descriptors` get what came, -1 elsewhere. */
long transport_receive(int connection, void *data, size_t size, int descriptors[4], int milliseconds);
/* Start the shared engine: a process to ask with transport_started, or -1. */
long transport_start(const char *version);
/* Whether it has come up: 1 yes, 0 not yet, -1 it failed. */
int transport_started(long process);
bool transport_private(void); /* the engine is a named one, not ours to start */
double transport_seconds(void);

/* folders and files */
bool platform_self(char *path, size_t size); /* the plugin's own binary */
bool platform_cache(char *path, size_t size);
char *platform_read(const char *path, size_t *size, size_t limit);
bool platform_write(const char *folder, const char *name, const char *data, size_t size); /* whole */
void platform_touch(const char *path); /* used now */
void platform_absolute(char *into, size_t size, const char *path);
char **platform_variables(void); /* NAME=value, then NULL */
void *platform_symbol(const char *name); /* of what the host has loaded; NULL: it has none */

/* shared memory */
int memory_create(size_t size, void **map); /* a descriptor that cannot shrink, mapped; or -1 */
void *memory_open(int descriptor, size_t size);  /* mapped to read, NULL unless it is safe to */
void memory_unmap(void *map, size_t size);
void memory_close(int descriptor);

#endif
