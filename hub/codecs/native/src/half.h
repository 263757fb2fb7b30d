// float16 and bfloat16: by the processor where it can, else in integer arithmetic that the compiler turns into vectors.
#pragma once

#include "lanes.h"

namespace hub {
namespace HUB_LEVEL {

constexpr uint32_t EXPONENT = 0x7f800000, LEAST_NORMAL = 0x38800000, TOO_LARGE = 0x47800000;  // 2**-14, 2**16

static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

#ifdef __F16C__
#define HUB_HALVES 1

// LANES values each; to nearest even.
static inline void widen(const uint8_t *halves, uint8_t *out) {
#if HUB_LANES == 16
    _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)halves)));
#else
    _mm256_storeu_ps((float *)out, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves)));
#endif
}

static inline void narrow(const uint8_t *values, uint8_t *out) {
#if HUB_LANES == 16
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtps_ph(_mm512_loadu_ps(values), _MM_FROUND_TO_NEAREST_INT));
#else
    _mm_storeu_si128((__m128i *)out, _mm256_cvtps_ph(_mm256_loadu_ps((const float *)values), _MM_FROUND_TO_NEAREST_INT));
#endif
}
#endif

// Rounded to nearest even; |x| < 2**16. Adding 2**13 times the power of two below |x| rounds it to 10 places.
static inline uint16_t to_half(float x) {
    uint32_t size = bits_of(x) & 0x7fffffff;
    uint32_t power = (size > LEAST_NORMAL ? size : LEAST_NORMAL) & EXPONENT;
    uint32_t magic = power + (13u << 23);
    uint32_t sum = bits_of(float_of(magic) + float_of(size));
    return (uint16_t)((sum - magic) + (power >> 13) - (112u << 10) - (1u << 10) + (bits_of(x) >> 16 & 0x8000));
}

// The same, infinity from 2**16 on: for scales, which are never NaN.
static inline uint16_t to_half_scale(float x) {
    uint16_t sign = bits_of(x) >> 16 & 0x8000;
    return (bits_of(x) & 0x7fffffff) >= TOO_LARGE ? sign | 0x7c00 : to_half(x);
}

static inline float from_half(uint16_t half) {
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float x = float_of(bits) * float_of(0x77800000);  // 2**112
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    if ((half & 0x7c00) == 0x7c00) return float_of(sign | EXPONENT | bits);
    return float_of(bits_of(x) | sign);
}

static inline uint16_t load16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, 2);
    return value;
}

static inline void store16(uint8_t *at, uint16_t value) { memcpy(at, &value, 2); }

static inline bool not_finite(const uint8_t *at) { return (load16(at) & 0x7c00) == 0x7c00; }

}  // namespace HUB_LEVEL
}  // namespace hub
