// Blocks of 32 values under one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0; as `quantize_row_q*_ref` and back.
#pragma once

#include "half.h"

namespace hub {
namespace HUB_LEVEL {

// The lowest scale whose reciprocal is taken here; below it a product may be infinite.
constexpr float LEAST_SCALE = 1e-36f;

static inline bool tiny(float d) { return d != 0 && __builtin_fabsf(d) < LEAST_SCALE; }

static inline void pack_halves(const uint8_t *q, uint8_t *out) {
    for (int j = 0; j < 16; j++) out[j] = (q[j] & 15) | (q[j + 16] & 15) << 4;
}

static inline void pack_fifths(const uint8_t *q, uint8_t *out) {
    uint32_t fifth = 0;
    for (int j = 0; j < 32; j++) fifth |= (uint32_t)(q[j] >> 4 & 1) << j;
    memcpy(out, &fifth, 4);
}

// d * (level - ZERO), or d * level + m, of packed nibbles with fifth bits where there are any.
template <int ZERO>
static inline void levels(const uint8_t *__restrict packed, uint32_t fifth, float d, float m, float *__restrict out) {
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < 16; i++) {
            const int level = (packed[i] >> (4 * side) & 15) + (int)(fifth >> (16 * side + i) & 1) * 16 - ZERO;
            out[16 * side + i] = ZERO ? d * (float)level : d * (float)level + m;
        }
}

static inline uint32_t load32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static inline uint32_t most_bits(const float *x) {
    uint32_t most = 0;
    for (int i = 0; i < 32; i++) {
        const uint32_t bits = bits_of(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return most;
}

// Around zero, the value farthest from it at -MIDDLE: the sign of the first of equals counts.
template <int MIDDLE> static inline bool around_middle(const float *x, uint8_t *out, uint8_t *q) {
    const uint32_t most = most_bits(x);
    uint32_t plus = 0, minus = 0;
    for (int i = 0; i < 32; i++) plus |= bits_of(x[i]) == most, minus |= bits_of(x[i]) == (most | 0x80000000);
    bool negative = minus;
    if (plus && minus)
        for (int i = 31; i >= 0; i--)
            if ((bits_of(x[i]) & 0x7fffffff) == most) negative = bits_of(x[i]) >> 31;
    const float d = (most == 0 ? 0.0f : float_of(most | (negative ? 0x80000000 : 0))) / -MIDDLE;
    const float inverse = d != 0 ? 1.0f / d : 0.0f;
    store16(out, to_half_scale(d));
    for (int i = 0; i < 32; i++) {
        const int l = (int)(x[i] * inverse + ((float)MIDDLE + 0.5f));
        q[i] = (uint8_t)(l > 2 * MIDDLE - 1 ? 2 * MIDDLE - 1 : l);
    }
    return most >= HUGE_BITS || tiny(d) || (most == 0 && minus);
}

// Above the minimum, in TOP steps. Which of two zeros is the minimum is left to the reference.
template <int TOP> static inline bool above_least(const float *x, uint8_t *out, uint8_t *q) {
    float least = x[0], most = x[0];
    uint32_t minus_zero = 0;
    for (int i = 0; i < 32; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        minus_zero |= bits_of(x[i]) == 0x80000000;
    }
    const float d = (most - least) / (float)TOP, inverse = d != 0 ? 1.0f / d : 0.0f;
    store16(out, to_half_scale(d));
    store16(out + 2, to_half_scale(least));
    for (int i = 0; i < 32; i++) {
        const int l = (int)((x[i] - least) * inverse + 0.5f);
        q[i] = (uint8_t)(l > TOP ? TOP : l);
    }
    return most_bits(x) >= HUGE_BITS || tiny(d) || (minus_zero && (least == 0 || most == 0));
}

struct Q40 {
    static constexpr int BYTES = 18, VALUES = 32;
    static bool encode(const float *__restrict x, uint8_t *__restrict out) {
        uint8_t q[32];
        const bool odd = around_middle<8>(x, out, q);
        pack_halves(q, out + 2);
        return odd;
    }
    static bool sound(const uint8_t *b) { return !not_finite(b); }
    static void decode(const uint8_t *b, float *out) {
        levels<8>(b + 2, 0, from_half(load16(b)), 0, out);
    }
};

struct Q41 {
    static constexpr int BYTES = 20, VALUES = 32;
    static bool encode(const float *__restrict x, uint8_t *__restrict out) {
        uint8_t q[32];
        const bool odd = above_least<15>(x, out, q);
        pack_halves(q, out + 4);
        return odd;
    }
    static bool sound(const uint8_t *b) { return !not_finite(b) && !not_finite(b + 2); }
    static void decode(const uint8_t *b, float *out) {
        levels<0>(b + 4, 0, from_half(load16(b)), from_half(load16(b + 2)), out);
    }
};

struct Q50 {
    static constexpr int BYTES = 22, VALUES = 32;
    static bool encode(const float *__restrict x, uint8_t *__restrict out) {
        uint8_t q[32];
        const bool odd = around_middle<16>(x, out, q);
        pack_fifths(q, out + 2);
        pack_halves(q, out + 6);
        return odd;
    }
    static bool sound(const uint8_t *b) { return !not_finite(b); }
    static void decode(const uint8_t *b, float *out) {
        levels<16>(b + 6, load32(b + 2), from_half(load16(b)), 0, out);
    }
};

struct Q51 {
    static constexpr int BYTES = 24, VALUES = 32;
    static bool encode(const float *__restrict x, uint8_t *__restrict out) {
        uint8_t q[32];
        const bool odd = above_least<31>(x, out, q);
        pack_fifths(q, out + 4);
        pack_halves(q, out + 8);
        return odd;
    }
    static bool sound(const uint8_t *b) { return Q41::sound(b); }
    static void decode(const uint8_t *b, float *out) {
        levels<0>(b + 8, load32(b + 4), from_half(load16(b)), from_half(load16(b + 2)), out);
    }
};

struct Q80 {
    static constexpr int BYTES = 34, VALUES = 32;
    static bool sound(const uint8_t *b) { return !not_finite(b); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b));
        for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)b[2 + i];
    }
};

static inline void encode_levels(const float *__restrict x, float inverse, uint8_t *__restrict out) {
    int32_t levels[32];
    for (int i = 0; i < 32; i++) {  // halves away from zero
        const int32_t level = (int32_t)(float_of(bits_of(x[i] * inverse) & 0x7fffffff) + 0.49999997f);
        const int32_t sign = (int32_t)bits_of(x[i]) >> 31;
        levels[i] = (level ^ sign) - sign;
    }
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)levels[i];
}

// A step at a time for many blocks: one block alone is a chain in which each operation waits for the one before.
static int64_t encode_q8_0(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    constexpr int RUN = 32;
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at += RUN) {
        const int count = n - at < RUN ? (int)(n - at) : RUN;
        const float *x = (const float *)in + at * Q80::VALUES;
        uint32_t most[RUN] = {};
        float scale[RUN], inverse[RUN];
        uint16_t half[RUN];
        for (int b = 0; b < count; b++) most[b] = most_bits(x + b * Q80::VALUES);
        for (int b = 0; b < RUN; b++) {
            scale[b] = float_of(most[b]) / 127.0f;
            inverse[b] = scale[b] != 0 ? 1.0f / scale[b] : 0.0f;
        }
        for (int b = 0; b < RUN; b++) half[b] = to_half_scale(scale[b]);
        for (int b = 0; b < count; b++) {
            uint8_t *block = out + (at + b) * Q80::BYTES;
            store16(block, half[b]);
            encode_levels(x + b * Q80::VALUES, inverse[b], block + 2);
            marked += odd[at + b] = most[b] >= HUGE_BITS || tiny(scale[b]);
        }
    }
    return marked;
}

template <class B> static int64_t encode_blocks(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at++)
        marked += odd[at] = B::encode((const float *)in + at * B::VALUES, out + at * B::BYTES);
    return marked;
}

}  // namespace HUB_LEVEL
}  // namespace hub
