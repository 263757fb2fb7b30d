// Sub-blocks side by side: one float of each in a vector, every lane in the order of ggml's reference quantizers.
//
// No operation here may be fused or reordered: build with -ffp-contract=off and without -ffast-math.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#ifndef HUB_LANES
#define HUB_LANES 4
#endif

namespace hub {
namespace HUB_LEVEL {

constexpr int LANES = HUB_LANES;

typedef float Floats __attribute__((vector_size(4 * HUB_LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * HUB_LANES)));

// 1.5 * 2**23: in a sum with it the lowest bits are the nearest integer, half to even.
constexpr float MAGIC = 12582912.0f;
// A sub-block without a value of this size counts as zeros.
constexpr float LEAST = 1e-15f;
// Values from here on go to the reference, so that no kernel meets an infinity or a NaN.
constexpr uint32_t HUGE_BITS = 0x53000000;  // 2**39

static inline Floats all(float value) { return value - Floats{}; }

// One instruction each, where compilers make two of the comparison.
#if defined(__AVX512F__)
static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm512_min_ps((__m512)a, (__m512)b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm256_min_ps((__m256)a, (__m256)b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm256_max_ps((__m256)a, (__m256)b); }
#elif defined(__SSE2__)
static inline Floats smaller(Floats a, Floats b) { return (Floats)_mm_min_ps((__m128)a, (__m128)b); }
static inline Floats larger(Floats a, Floats b) { return (Floats)_mm_max_ps((__m128)a, (__m128)b); }
#else
static inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
static inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
#endif

static inline Floats size(Floats x) { return (Floats)((Ints)x & 0x7fffffff); }

static inline Floats square_root(Floats x) {
    Floats out;
    for (int lane = 0; lane < LANES; lane++) out[lane] = __builtin_sqrtf(x[lane]);
    return out;
}

static inline bool any(Ints mask) {
    int32_t found = 0;
    for (int lane = 0; lane < LANES; lane++) found |= mask[lane];
    return found != 0;
}

// Rounded and kept from `low` to `high`; f must lie within 2**22.
static inline Floats nearest_between(Floats f, float low, float high) {
    f = smaller(larger(f, all(low)), all(high));
    return (f + MAGIC) - MAGIC;
}

// The same for any f: what does not fit gives what the bits happen to say, as `nearest_int` of ggml does.
static inline Floats any_nearest_between(Floats f, int low, int high) {
    Ints i = ((Ints)(f + MAGIC) & 0x7fffff) - 0x400000;
    i = i < low ? low - Ints{} : i;
    i = i > high ? high - Ints{} : i;
    return __builtin_convertvector(i, Floats);
}

static inline int nearest(float f) {
    float sum = f + MAGIC;
    int32_t bits;
    memcpy(&bits, &sum, 4);
    return (bits & 0x7fffff) - 0x400000;
}

static inline int between(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

// Values of LANES sub-blocks of N values that lie one behind the other: out[i] holds value i of each.
template <int N> static inline void gather(const float *x, Floats *out) {
    for (int i = 0; i < N; i++)
        for (int lane = 0; lane < LANES; lane++) out[i][lane] = x[lane * N + i];
}

// The value farthest from zero of each lane, the first of equals; `most` is its size.
template <int N> static inline Floats extreme(const Floats *x, Floats &most) {
    Floats far = {};
    most = Floats{};
    for (int i = 0; i < N; i++) {
        Floats s = size(x[i]);
        Ints more = s > most;
        far = more ? x[i] : far;
        most = more ? s : most;
    }
    return far;
}

// The same of a few scales.
static inline float farthest(const float *scales, int n) {
    float most = 0, far = 0;
    for (int i = 0; i < n; i++)
        if (__builtin_fabsf(scales[i]) > most) most = __builtin_fabsf(scales[i]), far = scales[i];
    return far;
}

static inline bool has_huge(const float *x, int n) {
    uint32_t most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, 4);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return most >= HUGE_BITS;
}

}  // namespace HUB_LEVEL
}  // namespace hub
