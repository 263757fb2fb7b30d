// Values of Q2_K to Q6_K, in the arithmetic of ggml's `dequantize_row_q*_K`.
#pragma once

#include "half.h"

namespace hub {
namespace HUB_LEVEL {

// The scale and the minimum of sub-block j among the twelve bytes of Q4_K and Q5_K.
static inline void six_bits(const uint8_t *six, int j, uint8_t &scale, uint8_t &minimum) {
    if (j < 4) {
        scale = six[j] & 63, minimum = six[j + 4] & 63;
    } else {
        scale = (six[j + 4] & 15) | (six[j - 4] >> 6) << 4;
        minimum = six[j + 4] >> 4 | (six[j] >> 6) << 4;
    }
}

struct Q2KValues {
    static constexpr int BYTES = 84, VALUES = 256;
    static bool sound(const uint8_t *b) { return !not_finite(b + 80) && !not_finite(b + 82); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b + 80)), m = from_half(load16(b + 82));
        for (int j = 0; j < 16; j++) {
            const uint8_t *q = b + 16 + j / 8 * 32 + j % 2 * 16;
            const int shift = j % 8 / 2 * 2;
            const float scale = d * (float)(b[j] & 15), minimum = m * (float)(b[j] >> 4);
            for (int i = 0; i < 16; i++) out[16 * j + i] = scale * (float)(q[i] >> shift & 3) - minimum;
        }
    }
};

struct Q3KValues {
    static constexpr int BYTES = 110, VALUES = 256;
    static bool sound(const uint8_t *b) { return !not_finite(b + 108); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b + 108));
        for (int j = 0; j < 16; j++) {
            const int low = j < 8 ? b[96 + j] & 15 : b[88 + j] >> 4, high = b[104 + j % 4] >> (2 * (j / 4)) & 3;
            const float scale = d * (float)((low | high << 4) - 32);
            const uint8_t *q = b + 32 + j / 8 * 32 + j % 2 * 16, *third = b + j % 2 * 16;
            const int shift = j % 8 / 2 * 2, bit = j / 2;
            for (int i = 0; i < 16; i++)
                out[16 * j + i] = scale * (float)((q[i] >> shift & 3) + (third[i] >> bit & 1) * 4 - 4);
        }
    }
};

struct Q4KValues {
    static constexpr int BYTES = 144, VALUES = 256;
    static bool sound(const uint8_t *b) { return !not_finite(b) && !not_finite(b + 2); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b)), dm = from_half(load16(b + 2));
        for (int j = 0; j < 8; j++) {
            uint8_t s, m;
            six_bits(b + 4, j, s, m);
            const float scale = d * (float)s, minimum = dm * (float)m;
            const uint8_t *q = b + 16 + j / 2 * 32;
            const int shift = j % 2 * 4;
            for (int i = 0; i < 32; i++) out[32 * j + i] = scale * (float)(q[i] >> shift & 15) - minimum;
        }
    }
};

struct Q5KValues {
    static constexpr int BYTES = 176, VALUES = 256;
    static bool sound(const uint8_t *b) { return Q4KValues::sound(b); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b)), dm = from_half(load16(b + 2));
        for (int j = 0; j < 8; j++) {
            uint8_t s, m;
            six_bits(b + 4, j, s, m);
            const float scale = d * (float)s, minimum = dm * (float)m;
            const uint8_t *q = b + 48 + j / 2 * 32, *fifth = b + 16;
            const int shift = j % 2 * 4;
            for (int i = 0; i < 32; i++)
                out[32 * j + i] = scale * (float)((q[i] >> shift & 15) + (fifth[i] >> j & 1) * 16) - minimum;
        }
    }
};

struct Q6KValues {
    static constexpr int BYTES = 210, VALUES = 256;
    static bool sound(const uint8_t *b) { return !not_finite(b + 208); }
    static void decode(const uint8_t *__restrict b, float *__restrict out) {
        const float d = from_half(load16(b + 208));
        for (int j = 0; j < 16; j++) {
            const float scale = d * (float)(int8_t)b[192 + j];
            const uint8_t *low = b + j / 8 * 64 + j % 4 * 16, *high = b + 128 + j / 8 * 32 + j % 2 * 16;
            const int shift = j % 8 / 4 * 4, pair = j % 8 / 2 * 2;
            for (int i = 0; i < 16; i++)
                out[16 * j + i] = scale * (float)((low[i] >> shift & 15) + (high[i] >> pair & 3) * 16 - 32);
        }
    }
};

// Blocks of V; marks in `odd` those that the reference must decode.
template <class V> static int64_t decode_blocks(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at++) {
        V::decode(in + at * V::BYTES, (float *)out + at * V::VALUES);
        marked += odd[at] = !V::sound(in + at * V::BYTES);
    }
    return marked;
}

}  // namespace HUB_LEVEL
}  // namespace hub
