/* The digest recipe of docs/wire.md. BLAKE2b follows RFC 7693. */
#include "digest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint64_t START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static uint64_t rotated(uint64_t x, int by) { return x >> by | x << (64 - by); }

static void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
    v[a] += v[b] + x;
    v[d] = rotated(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotated(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 63);
}

static void compress(uint64_t h[8], const unsigned char block[128], uint64_t count, int last) {
    static const unsigned char order[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    };
    uint64_t m[16], v[16];
    memcpy(m, block, 128); /* little-endian machines only, as the pixels are */
    for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = START[i];
    v[12] ^= count;
    if (last) v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const unsigned char *s = order[round % 10];
        for (int i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

void blake2b(unsigned char *out, size_t out_size, const char *person, const void *data, size_t size) {
    unsigned char parameters[64] = {(unsigned char)out_size, 0, 1, 1}, block[128];
    uint64_t h[8], word;
    memcpy(parameters + 48, person, strlen(person));
    for (int i = 0; i < 8; i++) {
        memcpy(&word, parameters + 8 * i, 8);
        h[i] = START[i] ^ word;
    }
    const unsigned char *at = data;
    size_t done = 0;
    do {
        size_t part = size - done < 128 ? size - done : 128;
        memset(block, 0, 128);
        memcpy(block, at + done, part);
        done += part;
        compress(h, block, done, done == size);
    } while (done < size);
    memcpy(out, h, out_size);
}

void digest_text(const unsigned char digest[DIGEST], char text[DIGEST_TEXT]) {
    for (int i = 0; i < DIGEST; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

typedef struct {
    unsigned char data[1024];
    size_t size;
} Bytes;

static void raw(Bytes *to, const void *data, size_t size) {
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void tagged(Bytes *to, char tag, const void *data, size_t size) {
    uint64_t length = size;
    raw(to, &tag, 1);
    raw(to, &length, 8);
    raw(to, data, size);
}

static void window(Bytes *to, const int box[4]) {
    Bytes inside = {.size = 0};
    char digits[16];
    for (int i = 0; i < 4; i++) tagged(&inside, 'i', digits, (size_t)snprintf(digits, sizeof digits, "%d", box[i]));
    tagged(to, 'l', inside.data, inside.size);
}

/* XXH3-128 of nothing. */
static const unsigned char nothing[DIGEST] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
                                              0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};

void picture_digest(unsigned char out[DIGEST], const Geometry *geometry, const char *channels,
                    const unsigned char rgb[DIGEST], const unsigned char alpha[DIGEST]) {
    Bytes what = {.size = 0}, names = {.size = 0}, hashes = {.size = 0}, all = {.size = 0}, whole = {.size = 0};
    double aspect = geometry->aspect + 0.0;
    window(&what, geometry->display);
    window(&what, geometry->data);
    raw(&what, "d", 1);
    raw(&what, &aspect, 8);
    for (const char *at = channels; *at; at++) tagged(&names, 's', at, 1);
    tagged(&what, 'l', names.data, names.size);
    tagged(&hashes, 'b', rgb ? rgb : nothing, DIGEST);
    tagged(&hashes, 'b', alpha ? alpha : nothing, DIGEST);
    tagged(&hashes, 'b', nothing, DIGEST);
    tagged(&all, 'l', what.data, what.size);
    tagged(&all, 'l', hashes.data, hashes.size);
    tagged(&whole, 'l', all.data, all.size);
    blake2b(out, DIGEST, "rotograph.key.1", whole.data, whole.size);
}
