/* A client in C, written from docs/wire.md alone: hello, status, a frame, an offer.
 *
 *     cc -std=c11 -Wall -Wextra -Werror client.c -o client && ./client SOCKET
 *
 * It prints what the engine answered, one line each: the version, whether it is the same user's,
 * the digest of a frame that it lent, and which of two digests the engine lacks. A real client
 * uses a JSON library; the few fields that this one wants are found by their names.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_MESSAGE (16u << 20)
#define UNKNOWN "ffffffffffffffffffffffffffffffff"

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* A message: its length, little-endian, then JSON. A descriptor goes with the first byte. */
static void say(int sock, const char *json, int descriptor)
{
    uint32_t length = (uint32_t)strlen(json);
    char *data = malloc(4 + length);
    size_t sent = 0;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } beside;
    for (int i = 0; i < 4; i++)
        data[i] = (char)(length >> (8 * i));
    memcpy(data + 4, json, length);
    while (sent < 4 + length) {
        struct iovec part = {data + sent, 4 + length - sent};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t more;
        if (sent == 0 && descriptor >= 0) {
            struct cmsghdr *header;
            memset(&beside, 0, sizeof beside);
            message.msg_control = beside.room;
            message.msg_controllen = sizeof beside.room;
            header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
        }
        more = sendmsg(sock, &message, MSG_NOSIGNAL);
        if (more <= 0)
            fail("send");
        sent += (size_t)more;
    }
    free(data);
}

static void exactly(int sock, char *data, size_t size)
{
    while (size > 0) {
        ssize_t more = recv(sock, data, size, 0);
        if (more <= 0)
            fail("the engine ended");
        data += more;
        size -= (size_t)more;
    }
}

/* The next message; the caller frees it. */
static char *hear(int sock)
{
    unsigned char header[4];
    uint32_t length;
    char *json;
    exactly(sock, (char *)header, 4);
    length = header[0] | header[1] << 8 | header[2] << 16 | (uint32_t)header[3] << 24;
    if (length == 0 || length > MAX_MESSAGE)
        fail("length");
    json = malloc(length + 1);
    exactly(sock, json, length);
    json[length] = 0;
    return json;
}

/* The text of a field, up to the quote that ends it; "" when it is not there. */
static const char *text(const char *json, const char *name, char *out, size_t room)
{
    char wanted[64];
    const char *at;
    size_t i = 0;
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    at = strstr(json, wanted);
    for (at = at ? at + strlen(wanted) : ""; *at && *at != '"' && i + 1 < room; at++)
        out[i++] = *at;
    out[i] = 0;
    return out;
}

/* The answer to a request: the first message that is not about segments or progress. */
static char *answer(int sock)
{
    char kind[32];
    for (;;) {
        char *json = hear(sock);
        text(json, "type", kind, sizeof kind);
        if (!strcmp(kind, "error")) {
            fprintf(stderr, "%s\n", json);
            exit(1);
        }
        if (strcmp(kind, "release") && strcmp(kind, "progress"))
            return json;
        free(json);
    }
}

int main(int count, char **arguments)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred other;
    socklen_t size = sizeof other;
    /* two by two pixels, RGBA: the first is (0, 0.25, 0.5, 0.75), and one channel is a NaN */
    float pixels[16];
    char digest[64], version[64], message[512], *json;
    int sock, memory;
    void *map;

    if (count != 2 || strlen(arguments[1]) >= sizeof address.sun_path)
        return 2;
    strcpy(address.sun_path, arguments[1]);
    sock = socket(AF_UNIX, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &other, &size))
        fail("peer");
    printf("own %d\n", other.uid == getuid());

    say(sock, "{\"type\":\"hello\",\"protocol\":1,\"version\":\"0.1.0\",\"client\":\"c\"}", -1);
    json = answer(sock);
    printf("version %s\n", text(json, "version", version, sizeof version));
    free(json);

    say(sock, "{\"type\":\"status\",\"id\":1}", -1);
    json = answer(sock);
    printf("status %s\n", text(json, "instance", version, sizeof version));
    free(json);

    memory = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0 || ftruncate(memory, 4096) || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK))
        fail("segment");
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (map == MAP_FAILED)
        fail("map");
    for (int i = 0; i < 16; i++)
        pixels[i] = (float)i / 4;
    pixels[5] = 0.0f / (float)(count - 2);
    memcpy(map, pixels, sizeof pixels);
    say(sock, "{\"type\":\"segment\",\"segment\":0,\"bytes\":4096}", memory);
    close(memory);
    say(sock,
        "{\"type\":\"frame\",\"id\":2,\"segment\":0,\"picture\":{\"display\":[0,0,2,2],"
        "\"data\":[0,0,2,2],\"channels\":[\"R\",\"G\",\"B\",\"A\"]}}",
        -1);
    json = answer(sock);
    printf("digest %s\n", text(json, "digest", digest, sizeof digest));
    free(json);

    snprintf(message, sizeof message,
             "{\"type\":\"offer\",\"id\":3,\"digests\":[\"%s\",\"" UNKNOWN "\"]}", digest);
    say(sock, message, -1);
    json = answer(sock);
    printf("lacks %d %d\n", strstr(json, digest) != NULL, strstr(json, UNKNOWN) != NULL);
    free(json);
    close(sock);
    return 0;
}
