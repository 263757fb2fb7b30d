// IQ4_NL and IQ4_XS: sixteen uneven levels; as ggml's `quantize_row_iq4_nl_impl` without an importance matrix.
#pragma once

#include "half.h"

namespace hub {
namespace HUB_LEVEL {

constexpr int8_t LEVELS[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// The level nearest to each f, the upper one from the middle on.
static inline Floats nearest_level(Floats f) {
    Floats level = all(LEVELS[0]);
    for (int k = 1; k < 16; k++) {
        const float middle = 0.5f * (float)(LEVELS[k - 1] + LEVELS[k]);
        level = f >= middle ? all(LEVELS[k]) : level;
    }
    return level;
}

static inline uint8_t nearest_index(float f) {
    uint8_t index = 0;
    for (int k = 1; k < 16; k++) index += f >= 0.5f * (float)(LEVELS[k - 1] + LEVELS[k]);
    return index;
}

// The best scale of LANES sub-blocks of 32 values, and 0 for one of zeros.
static inline void best_scales(const float *values, float *scales) {
    Floats x[32], w[32], most, scale = {}, best = {};
    gather<32>(values, x);
    Floats far = extreme<32>(x, most);
    const Ints zero = most < LEAST;
    far = zero ? all(1) : far;
    for (int i = 0; i < 32; i++) w[i] = x[i] * x[i];
    for (int step = -8; step <= 7; step++) {  // the first is the one that puts the extreme value on the lowest level
        const Floats inverse = step == -8 ? 1.0f / (-far / (float)LEVELS[0]) : (float)(step + LEVELS[0]) / far;
        Floats sum_qx = {}, sum_q2 = {};
        for (int i = 0; i < 32; i++) {
            const Floats q = nearest_level(inverse * x[i]), wq = w[i] * q;
            sum_qx += wq * x[i];
            sum_q2 += wq * q;
        }
        const Floats found = sum_q2 > 0 ? sum_qx / sum_q2 : Floats{};
        const Ints better = step == -8 ? ~Ints{} : (sum_q2 > 0) & (sum_qx * sum_qx > best * sum_q2);
        scale = better ? found : scale;
        best = better ? found * sum_qx : best;
    }
    scale = zero ? Floats{} : scale;
    memcpy(scales, &scale, sizeof scale);
}

static inline void pack_levels(const float *x, float d, uint8_t *out) {
    const float inverse = d != 0 ? 1 / d : 0;
    uint8_t q[32];
    for (int i = 0; i < 32; i++) q[i] = nearest_index(inverse * x[i]);
    for (int i = 0; i < 16; i++) out[i] = q[i] | q[i + 16] << 4;
}

static inline bool odd_scale(float d) { return d != 0 && __builtin_fabsf(d) < 1e-36f; }

static int64_t encode_iq4_nl(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at += LANES) {
        const int here = n - at < LANES ? (int)(n - at) : LANES;
        float x[32 * LANES] = {}, scales[LANES];
        memcpy(x, in + at * 128, (size_t)here * 128);
        best_scales(x, scales);
        for (int b = 0; b < here; b++) {
            uint8_t *block = out + (at + b) * 18;
            store16(block, to_half_scale(scales[b]));
            pack_levels(x + 32 * b, scales[b], block + 2);
            marked += odd[at + b] = has_huge(x + 32 * b, 32) || odd_scale(scales[b]);
        }
    }
    return marked;
}

static bool pack_iq4_xs(const float *x, const float *scales, uint8_t *out) {
    const float d = -farthest(scales, 8) / 32.0f, inverse = d != 0 ? 1 / d : 0;
    bool odd = has_huge(x, 256) || odd_scale(d);
    uint16_t high = 0;
    store16(out, to_half_scale(d));
    memset(out + 4, 0, 4);
    for (int j = 0; j < 8; j++) {
        const int small = between(nearest(inverse * scales[j]), -32, 31);
        const float scale = d * (float)small;
        odd |= odd_scale(scale);
        pack_levels(x + 32 * j, scale, out + 8 + 16 * j);
        out[4 + j / 2] |= ((small + 32) & 15) << (4 * (j % 2));
        high |= (uint16_t)((small + 32) >> 4 << (2 * j));
    }
    store16(out + 2, high);
    return odd;
}

static int64_t encode_iq4_xs(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at += 2) {
        const int here = n - at < 2 ? 1 : 2;
        float x[512] = {}, scales[16];
        memcpy(x, in + at * 1024, (size_t)here * 1024);
        for (int j = 0; j < 8 * here; j += LANES) best_scales(x + 32 * j, scales + j);
        for (int b = 0; b < here; b++)
            marked += odd[at + b] = pack_iq4_xs(x + 256 * b, scales + 8 * b, out + (at + b) * 136);
    }
    return marked;
}

struct IQ4NLValues {
    static constexpr int BYTES = 18, VALUES = 32;
    static bool sound(const uint8_t *b) { return !not_finite(b); }
    static void decode(const uint8_t *b, float *out) { levels(b + 2, from_half(load16(b)), out); }
    static void levels(const uint8_t *__restrict packed, float d, float *__restrict out) {
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)LEVELS[packed[i] & 15];
            out[i + 16] = d * (float)LEVELS[packed[i] >> 4];
        }
    }
};

struct IQ4XSValues {
    static constexpr int BYTES = 136, VALUES = 256;
    static bool sound(const uint8_t *b) { return !not_finite(b); }
    static void decode(const uint8_t *b, float *out) {
        const float d = from_half(load16(b));
        for (int j = 0; j < 8; j++) {
            const int small = (b[4 + j / 2] >> (4 * (j % 2)) & 15) | (load16(b + 2) >> (2 * j) & 3) << 4;
            IQ4NLValues::levels(b + 8 + 16 * j, d * (float)(small - 32), out + 32 * j);
        }
    }
};

}  // namespace HUB_LEVEL
}  // namespace hub
