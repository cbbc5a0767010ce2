/* What runs over every pixel: built for speed, with SSE2 where there is SSE2. */
#include "rows.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static float number(float value) { return value == value ? value : 1.0f; }

#ifdef __SSE2__
static __m128 numbers(__m128 values, bool whole) {
    if (!whole) return values;
    __m128 same = _mm_cmpeq_ps(values, values);
    return _mm_or_ps(_mm_and_ps(same, values), _mm_andnot_ps(same, _mm_set1_ps(1.0f)));
}
#endif

void rows_colours(float *out, const float *pixels, size_t count, bool whole) {
    size_t x = 0;
#ifdef __SSE2__
    for (; x + 4 <= count; x += 4) {
        __m128 p[4];
        for (size_t i = 0; i < 4; i++) p[i] = numbers(_mm_loadu_ps(pixels + 4 * (x + i)), whole);
        /* r0 g0 b0 r1 | g1 b1 r2 g2 | b2 r3 g3 b3 */
        __m128 b0r1 = _mm_shuffle_ps(p[0], p[1], _MM_SHUFFLE(0, 0, 2, 2));
        __m128 b2r3 = _mm_shuffle_ps(p[2], p[3], _MM_SHUFFLE(0, 0, 2, 2));
        _mm_storeu_ps(out + 3 * x, _mm_shuffle_ps(p[0], b0r1, _MM_SHUFFLE(2, 0, 1, 0)));
        _mm_storeu_ps(out + 3 * x + 4, _mm_shuffle_ps(p[1], p[2], _MM_SHUFFLE(1, 0, 2, 1)));
        _mm_storeu_ps(out + 3 * x + 8, _mm_shuffle_ps(b2r3, p[3], _MM_SHUFFLE(2, 1, 2, 0)));
    }
#endif
    for (; x < count; x++)
        for (size_t c = 0; c < 3; c++) out[3 * x + c] = whole ? number(pixels[4 * x + c]) : pixels[4 * x + c];
}

void rows_coverage(float *out, const float *pixels, size_t count, bool whole) {
    size_t x = 0;
#ifdef __SSE2__
    for (; x + 4 <= count; x += 4) {
        const float *at = pixels + 4 * x;
        __m128 low = _mm_shuffle_ps(_mm_loadu_ps(at), _mm_loadu_ps(at + 4), _MM_SHUFFLE(3, 3, 3, 3));
        __m128 high = _mm_shuffle_ps(_mm_loadu_ps(at + 8), _mm_loadu_ps(at + 12), _MM_SHUFFLE(3, 3, 3, 3));
        _mm_storeu_ps(out + x, numbers(_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)), whole));
    }
#endif
    for (; x < count; x++) out[x] = whole ? number(pixels[4 * x + 3]) : pixels[4 * x + 3];
}

void rows_range(const float *coverage, size_t count, float *least, float *most) {
    float low = *least, high = *most;
    size_t x = 0;
#ifdef __SSE2__
    __m128 lows = _mm_set1_ps(low), highs = _mm_set1_ps(high);
    for (; x + 4 <= count; x += 4) {
        __m128 values = _mm_loadu_ps(coverage + x);
        lows = _mm_min_ps(lows, values);
        highs = _mm_max_ps(highs, values);
    }
    float found[8];
    _mm_storeu_ps(found, lows);
    _mm_storeu_ps(found + 4, highs);
    for (int i = 0; i < 4; i++) {
        low = found[i] < low ? found[i] : low;
        high = found[4 + i] > high ? found[4 + i] : high;
    }
#endif
    for (; x < count; x++) {
        low = coverage[x] < low ? coverage[x] : low;
        high = coverage[x] > high ? coverage[x] : high;
    }
    *least = low;
    *most = high;
}

/* Without denormal floats, which a host may have switched off. */
float half_value(uint16_t half) {
    uint32_t bits = half < 0x400 ? 0 : ((uint32_t)(half & 0x7fff) << 13) + (112u << 23);
    float value;
    memcpy(&value, &bits, sizeof value);
    return half < 0x400 ? (float)half * 0x1p-24f : value;
}

void rows_matte(float *alpha, const uint16_t *matte, size_t count, bool add) {
    size_t x = 0;
#ifdef __SSE2__
    const __m128i nothing = _mm_setzero_si128(), least = _mm_set1_epi32(0x400), lift = _mm_set1_epi32(112 << 23);
    const __m128 one = _mm_set1_ps(1.0f), tiny = _mm_set1_ps(0x1p-24f);
    for (; x + 8 <= count; x += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(matte + x));
        __m128i wide[2] = {_mm_unpacklo_epi16(halves, nothing), _mm_unpackhi_epi16(halves, nothing)};
        for (size_t i = 0; i < 2; i++) {
            __m128 small = _mm_castsi128_ps(_mm_cmplt_epi32(wide[i], least));
            __m128 usual = _mm_castsi128_ps(_mm_add_epi32(_mm_slli_epi32(wide[i], 13), lift));
            __m128 value = _mm_or_ps(_mm_andnot_ps(small, usual), _mm_and_ps(small, _mm_mul_ps(_mm_cvtepi32_ps(wide[i]), tiny)));
            if (add) value = _mm_add_ps(value, _mm_loadu_ps(alpha + x + 4 * i));
            _mm_storeu_ps(alpha + x + 4 * i, _mm_min_ps(value, one));
        }
    }
#endif
    for (; x < count; x++) {
        float value = half_value(matte[x]) + (add ? alpha[x] : 0.0f);
        alpha[x] = value < 1.0f ? value : 1.0f;
    }
}

void rows_merge(float *out, const float *pixels, const float *alpha, size_t count) {
    size_t x = 0;
#ifdef __SSE2__
    const __m128 colours = _mm_castsi128_ps(_mm_set_epi32(0, -1, -1, -1));
    for (; x < count; x++) {
        __m128 pixel = numbers(_mm_loadu_ps(pixels + 4 * x), true);
        _mm_storeu_ps(out + 4 * x, _mm_or_ps(_mm_and_ps(colours, pixel), _mm_andnot_ps(colours, _mm_load1_ps(alpha + x))));
    }
#endif
    for (; x < count; x++) {
        for (size_t c = 0; c < 3; c++) out[4 * x + c] = number(pixels[4 * x + c]);
        out[4 * x + 3] = alpha[x];
    }
}
