/* Sockets, processes and files on Unix: where the engine is and how it is started (docs/wire.md). */
#define _GNU_SOURCE
#include "platform.h"

#include "digest.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST = 107 };

static bool own(const char *path) {
    struct stat status;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool well = folder >= 0 && fstat(folder, &status) == 0 && status.st_uid == getuid() && !(status.st_mode & 077);
    close(folder);
    return well;
}

static bool folder(const char *version, char *path, size_t size) {
    char host[256] = "", name[160];
    unsigned char machine[4];
    gethostname(host, sizeof host - 1);
    blake2b(machine, 4, "", host, strlen(host));
    snprintf(name, sizeof name, "rotograph-%u-%02x%02x%02x%02x-%.60s", (unsigned)getuid(), machine[0],
             machine[1], machine[2], machine[3], version);
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (!base || base[0] != '/' || !own(base)) base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    if (strlen(base) + strlen(name) + strlen("//engine.socket") > LONGEST) base = "/tmp";
    snprintf(path, size, "%s/%s", base, name);
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && own(path);
}

bool transport_private(void) {
    const char *named = getenv("ROTOGRAPH_SOCKET");
    return named && *named;
}

int transport_connect(const char *version) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[4096];
    if (transport_private()) snprintf(path, sizeof path, "%s", getenv("ROTOGRAPH_SOCKET"));
    else {
        char place[4000];
        if (!folder(version, place, sizeof place)) return -1;
        snprintf(path, sizeof path, "%s/engine.socket", place);
    }
    if (strlen(path) > LONGEST) return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) return -1;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (connect(made, (struct sockaddr *)&address, sizeof address) ||
        getsockopt(made, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.uid != getuid() ||
        fcntl(made, F_SETFL, O_NONBLOCK)) {
        close(made);
        return -1;
    }
    return made;
}

void transport_close(int connection) { close(connection); }

long transport_send(int connection, const void *data, size_t size, int descriptor) {
    struct iovec part = {(void *)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } beside;
    if (descriptor >= 0) {
        memset(&beside, 0, sizeof beside);
        message.msg_control = beside.room;
        message.msg_controllen = sizeof beside.room;
        beside.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        beside.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&beside.header), &descriptor, sizeof(int));
    }
    long sent = sendmsg(connection, &message, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno != EAGAIN && errno != EINTR) return -1;
    struct pollfd waiting = {connection, POLLOUT, 0};
    poll(&waiting, 1, 20);
    return 0;
}

long transport_receive(int connection, void *data, size_t size, int descriptors[4], int milliseconds) {
    for (int i = 0; i < 4; i++) descriptors[i] = -1;
    struct pollfd waiting = {connection, POLLIN, 0};
    if (poll(&waiting, 1, milliseconds) <= 0) return -1;
    struct iovec part = {data, size};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } beside;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = beside.room,
                             .msg_controllen = sizeof beside.room};
    long came = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    if (came < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    /* descriptors of one sending only come at a time */
    const struct cmsghdr *at = CMSG_FIRSTHDR(&message);
    if (at && at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS) {
        size_t bytes = at->cmsg_len - CMSG_LEN(0);
        memcpy(descriptors, CMSG_DATA(at), bytes < 4 * sizeof(int) ? bytes : 4 * sizeof(int));
    }
    return came;
}

long transport_start(const char *version) {
    char place[4000], log[4096];
    if (!folder(version, place, sizeof place)) return -1;
    snprintf(log, sizeof log, "%s/engine.log", place);
    const char *named = getenv("ROTOGRAPH_ENGINE");
    const char *program = named && *named ? named : "rotograph";
    pid_t child = fork();
    if (child != 0) return child;
    int nothing = open("/dev/null", O_RDWR), errors = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    struct stat status;
    if (fstat(errors, &status) == 0 && status.st_size > 1 << 20 && ftruncate(errors, 0)) errors = -1;
    dup2(nothing, 0);
    dup2(nothing, 1);
    dup2(errors >= 0 ? errors : nothing, 2);
    for (int i = 3; i < 1024; i++) close(i);
    /* a host's libraries are not the engine's */
    unsetenv("LD_PRELOAD");
    sigset_t none = {0};
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/") == 0) execlp(program, program, "serve", "--detach", (char *)NULL);
    _exit(127);
}

int transport_started(long process) {
    int status;
    pid_t ended = waitpid((pid_t)process, &status, WNOHANG);
    if (ended == 0) return 0;
    /* a host that reaps every child itself leaves nothing to ask: connecting tells */
    if (ended < 0) return 1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : -1;
}

double transport_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool platform_self(char *path, size_t size) {
    Dl_info found;
    if (!dladdr((void *)platform_self, &found) || !found.dli_fname || strlen(found.dli_fname) >= size) return false;
    memcpy(path, found.dli_fname, strlen(found.dli_fname) + 1);
    return true;
}

void *platform_symbol(const char *name) {
    static const char *const libraries[] = {"libGL.so.1", "libOpenGL.so.0"};
    void *found = dlsym(RTLD_DEFAULT, name);
    for (int i = 0; i < 2 && !found; i++) { /* there, but for others' eyes only */
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (!library) continue;
        found = dlsym(library, name);
        dlclose(library);
    }
    return found;
}

void platform_absolute(char *into, size_t size, const char *path) {
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    snprintf(into, size, "%s%s%s", here ? here : "", here ? "/" : "", path);
    free(here);
}

bool platform_cache(char *path, size_t size) {
    const char *named = getenv("ROTOGRAPH_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (named && *named) platform_absolute(path, size, named);
    else if (base && *base) snprintf(path, size, "%s/rotograph", base);
    else if (home && *home) snprintf(path, size, "%s/.cache/rotograph", home);
    else return false;
    return true;
}

char *platform_read(const char *path, size_t *size, size_t limit) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    char *data = NULL;
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && (size_t)status.st_size <= limit &&
        (data = malloc((size_t)status.st_size + 1))) {
        long got = 1;
        *size = 0;
        while (*size < (size_t)status.st_size && (got = read(file, data + *size, (size_t)status.st_size - *size)) > 0) *size += (size_t)got;
        data[*size] = 0;
        if (got <= 0) {
            free(data);
            data = NULL;
        }
    }
    if (file >= 0) close(file);
    return data;
}

static void make_folders(char *path) {
    for (char *at = path + 1; *at; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(path, 0777);
            *at = '/';
        }
    mkdir(path, 0777);
}

bool platform_write(const char *folder_path, const char *name, const char *data, size_t size) {
    char path[4096], temporary[4200];
    snprintf(path, sizeof path, "%s", folder_path);
    make_folders(path);
    snprintf(path, sizeof path, "%s/%s", folder_path, name);
    /* two at the same moment: one of them is not written */
    snprintf(temporary, sizeof temporary, "%s.%llx.part", path, (unsigned long long)(transport_seconds() * 1e9));
    int made = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (made < 0) return false;
    bool well = write(made, data, size) == (ssize_t)size;
    well = close(made) == 0 && well;
    if (well && rename(temporary, path) == 0) return true;
    unlink(temporary);
    return false;
}

/* In whole seconds: the store counts readings in what is below them. */
void platform_touch(const char *path) {
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[1]);
    now[1].tv_nsec = 0;
    now[0] = now[1];
    utimensat(AT_FDCWD, path, now, 0);
}

char **platform_variables(void) { return environ; }
