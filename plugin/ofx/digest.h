/* The names of pixels (docs/wire.md, "Digests"): BLAKE2b over XXH3 digests and the geometry. */
#ifndef ROTOGRAPH_DIGEST_H
#define ROTOGRAPH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST = 16, DIGEST_TEXT = 33 };

void blake2b(unsigned char *out, size_t out_size, const char *person, const void *data, size_t size);
void digest_text(const unsigned char digest[DIGEST], char text[DIGEST_TEXT]);

/* What a picture is apart from its pixels; windows half-open, y down. */
typedef struct {
    int display[4], data[4];
    double aspect;
} Geometry;

/* Streaming XXH3-128, whose state is large. */
typedef struct Hash Hash;
Hash *hash_new(void);
void hash_add(Hash *hash, const void *data, size_t size);
/* Frees it. False: of 240 bytes or less, which is no picture. */
bool hash_end(Hash *hash, unsigned char out[DIGEST]);

/* The digest of a picture with the channels "RGB", "RGBA" or "A", from the hashes of its groups. */
void picture_digest(unsigned char out[DIGEST], const Geometry *geometry, const char *channels,
                    const unsigned char rgb[DIGEST], const unsigned char alpha[DIGEST]);

#endif
