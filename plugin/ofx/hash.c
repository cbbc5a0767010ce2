/* XXH3 over pixels: what runs over every byte of a picture, and is built for speed. */
#include "digest.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_STATIC_LINKING_ONLY
#include "third_party/xxhash.h"

struct Hash {
    XXH3_state_t state;
    void *room; /* where it lies, which need not be as aligned */
};

__attribute__((minsize)) Hash *hash_new(void) {
    char *room = malloc(sizeof(Hash) + 63);
    if (!room) return NULL;
    Hash *made = (Hash *)(room + (-(uintptr_t)room & 63));
    made->room = room;
    XXH3_128bits_reset(&made->state);
    return made;
}

__attribute__((minsize)) void hash_add(Hash *hash, const void *data, size_t size) { XXH3_128bits_update(&hash->state, data, size); }

/* XXH3_128bits_digest without its ways for short texts, which a picture is not. */
__attribute__((minsize)) bool hash_end(Hash *hash, unsigned char out[DIGEST]) {
    const XXH3_state_t *state = &hash->state;
    bool well = state->totalLen > XXH3_MIDSIZE_MAX;
    if (well) {
        XXH_ALIGN(XXH_ACC_ALIGN) XXH64_hash_t acc[XXH_ACC_NB];
        XXH3_digest_long(acc, state, XXH3_kSecret);
        const xxh_u8 *end = XXH3_kSecret + state->secretLimit + XXH_STRIPE_LEN - sizeof acc - XXH_SECRET_MERGEACCS_START;
        xxh_u64 low = XXH3_mergeAccs(acc, XXH3_kSecret + XXH_SECRET_MERGEACCS_START, state->totalLen * XXH_PRIME64_1);
        xxh_u64 high = XXH3_mergeAccs(acc, end, ~(state->totalLen * XXH_PRIME64_2));
        for (int i = 0; i < 8; i++) {
            out[i] = (unsigned char)(high >> (56 - 8 * i));
            out[8 + i] = (unsigned char)(low >> (56 - 8 * i));
        }
    }
    free(hash->room);
    return well;
}
