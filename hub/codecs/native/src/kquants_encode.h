// Q2_K to Q6_K from values, to the bytes of ggml's `quantize_row_q*_K_ref`.
#pragma once

#include "half.h"

namespace hub {
namespace HUB_LEVEL {

// What a search found: value = scale * level - minimum. The levels of the search itself, which count where a scale is
// lost to rounding, are those of (value - base) * inverse.
struct Fit {
    float scale[32], minimum[32], inverse[32], base[32];
};

template <int N, bool ABSOLUTE>
static inline Floats weighted_error(const Floats *x, const Floats *w, const Floats *l, Floats scale, Floats minimum) {
    Floats error = {};
#pragma GCC unroll 4
    for (int i = 0; i < N; i++) {
        Floats off = scale * l[i] + minimum - x[i];
        error += w[i] * (ABSOLUTE ? size(off) : off * off);
    }
    return error;
}

// `make_qkx2_quants` for LANES sub-blocks of N values; results go to fit's entries from `at` on.
template <int N, int TOP, int STEPS, bool ABSOLUTE>
static void with_minimum(const Floats *x, const Floats *w, float first, Fit &fit, int at) {
    Floats least = x[0], most = x[0], sum_w = w[0], sum_x = w[0] * x[0], l[N];
    for (int i = 1; i < N; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    least = least > 0 ? Floats{} : least;
    const Ints flat = most == least;
    Floats base = least, inverse = (float)TOP / (flat ? all(1) : most - least);
    for (int i = 0; i < N; i++) l[i] = nearest_between(inverse * (x[i] - base), 0, TOP);
    Floats scale = 1.0f / inverse, best = weighted_error<N, ABSOLUTE>(x, w, l, scale, base);
    Floats kept_inverse = inverse, kept_base = base;
    for (int step = 0; step <= STEPS; step++) {
        const float levels = first + 0.1f * (float)step + (float)TOP;
        inverse = levels / (flat ? all(1) : most - base);
        const bool fits = !any((size(inverse * (least - base)) > 4e6f) | (size(inverse * (most - base)) > 4e6f) |
                               (inverse != inverse));
        Floats sum_l = {}, sum_l2 = {}, sum_xl = {};
#pragma GCC unroll 4
        for (int i = 0; i < N; i++) {
            Floats f = inverse * (x[i] - base);
            f = fits ? nearest_between(f, 0, TOP) : any_nearest_between(f, 0, TOP);
            l[i] = f;
            Floats wl = w[i] * f;
            sum_l += wl;
            sum_l2 += wl * f;
            sum_xl += wl * x[i];
        }
        Floats determinant = sum_w * sum_l2 - sum_l * sum_l;
        Floats new_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
        Floats new_base = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
        const Ints above = new_base > 0;
        new_scale = above ? sum_xl / sum_l2 : new_scale;
        new_base = above ? Floats{} : new_base;
        Floats error = weighted_error<N, ABSOLUTE>(x, w, l, new_scale, new_base);
        const Ints better = (determinant > 0) & (error < best) & ~flat;
        best = better ? error : best;
        kept_inverse = better ? inverse : kept_inverse;
        kept_base = better ? base : kept_base;
        scale = better ? new_scale : scale;
        base = better ? new_base : base;
    }
    scale = flat ? Floats{} : scale;
    kept_inverse = flat ? Floats{} : kept_inverse;
    base = -base;
    memcpy(fit.scale + at, &scale, sizeof scale);
    memcpy(fit.minimum + at, &base, sizeof base);
    memcpy(fit.inverse + at, &kept_inverse, sizeof base);
    memcpy(fit.base + at, &kept_base, sizeof base);
}

// `make_qx_quants` with its rmse_type 1, for 16 values and levels -32 to 31.
static void around_zero(const Floats *x, Fit &fit, int at) {
    Floats most, w[16], wx[16];
    const Floats far = extreme<16>(x, most);
    const Ints zero = most < LEAST;
    for (int i = 0; i < 16; i++) w[i] = x[i] * x[i], wx[i] = w[i] * x[i];
    Floats scale = {}, best = {}, kept = {};
    for (int step = -10; step <= 9; step++) {  // the first is the one without a step
        if (step == 0) continue;
        const float levels = step == -10 ? 32.0f : 32.0f + 0.1f * (float)step;
        const Floats inverse = -levels / far;
        Floats sum_lx = {}, sum_l2 = {};
        for (int i = 0; i < 16; i++) {
            Floats l = nearest_between(inverse * x[i], -32, 31);
            sum_lx += wx[i] * l;
            sum_l2 += w[i] * l * l;
        }
        Floats found = sum_l2 > 0 ? sum_lx / sum_l2 : Floats{};
        Ints better = step == -10 ? ~Ints{} : (sum_l2 > 0) & (sum_lx * sum_lx > best * sum_l2);
        scale = better ? found : scale;
        best = better ? found * sum_lx : best;
        kept = better ? inverse : kept;
    }
    // Levels of a sub-block of zeros are 0 as stored, the lowest ones: (0 - 1) * 32.
    scale = zero ? Floats{} : scale;
    kept = zero ? all(32) : kept;
    Floats base = zero ? all(1) : Floats{};
    memcpy(fit.scale + at, &scale, sizeof scale);
    memcpy(fit.inverse + at, &kept, sizeof kept);
    memcpy(fit.base + at, &base, sizeof base);
}

// `make_q3_quants` with do_rmse: levels -4 to 3, single ones moved while that helps; `levels` counts from -4.
static void one_by_one(const Floats *x, Fit &fit, int at, float *levels) {
    Floats most, w[16], wx[16], l[16], sum_lx = {}, sum_l2 = {};
    const Floats far = extreme<16>(x, most), inverse = -4.0f / far;
    const Ints zero = most < LEAST;
    for (int i = 0; i < 16; i++) {
        l[i] = nearest_between(inverse * x[i], -4, 3);
        w[i] = x[i] * x[i], wx[i] = w[i] * x[i];
        sum_lx += wx[i] * l[i];
        sum_l2 += w[i] * l[i] * l[i];
    }
    for (int round = 0; round < 5; round++) {
        Ints moved = {};
        for (int i = 0; i < 16; i++) {
            Floats lx = sum_lx - wx[i] * l[i], l2 = sum_l2 - w[i] * l[i] * l[i];
            Floats next = any_nearest_between(x[i] * l2 / lx, -4, 3);
            const Ints usable = (lx > 0) & (next != l[i]) & ~zero;
            lx += wx[i] * next;
            l2 += w[i] * next * next;
            const Ints better = usable & (l2 > 0) & (lx * lx * sum_l2 > sum_lx * sum_lx * l2);
            l[i] = better ? next : l[i];
            sum_lx = better ? lx : sum_lx;
            sum_l2 = better ? l2 : sum_l2;
            moved |= better;
        }
        if (!any(moved)) break;
    }
    Floats scale = (sum_l2 > 0) & ~zero ? sum_lx / sum_l2 : Floats{};
    memcpy(fit.scale + at, &scale, sizeof scale);
    for (int i = 0; i < 16; i++)
        for (int lane = 0; lane < LANES; lane++) levels[lane * 16 + i] = zero[lane] ? 0 : l[i][lane] + 4;
}

// Levels `low` to `high` of N values under the stored scale and minimum, counted from `low`.
template <int N>
static inline void requantize(const float *x, float d, float m, const Fit &fit, int j, int low, int high, uint8_t *q) {
    for (int i = 0; i < N; i++) {
        const float f = d == 0 ? fit.inverse[j] * (x[i] - fit.base[j]) : (x[i] + m) / d;
        q[i] = (uint8_t)(between(nearest(f), low, high) - low);
    }
}

// Small integers up to `top` under a float16, of n values; a negative value wraps around, as the reference's uint8 does.
static inline uint16_t divided(const float *values, int n, int top, bool capped, uint8_t *small) {
    float most = 0;
    for (int j = 0; j < n; j++) most = values[j] > most ? values[j] : most;
    const float inverse = most > 0 ? (float)top / most : 0;
    for (int j = 0; j < n; j++) {
        small[j] = (uint8_t)nearest(inverse * values[j]);
        if (capped && small[j] > top) small[j] = top;
    }
    return to_half_scale(most / (float)top);
}

// Two fields of 2 bits, four values a byte: value l of every 32 at bit 0, 2, 4 or 6.
static inline void pack_twos(const uint8_t *q, uint8_t *out) {
    for (int j = 0; j < 256; j += 128)
        for (int l = 0; l < 32; l++)
            out[j / 4 + l] = (q[j + l] & 3) | (q[j + l + 32] & 3) << 2 | (q[j + l + 64] & 3) << 4 | (q[j + l + 96] & 3) << 6;
}

// Level sets of Q4_K (top 15) and Q5_K (top 31); stores the scales at the beginning of the block.
template <int TOP> static inline void pack_with_sixes(const float *x, const Fit &fit, int at, uint8_t *out, uint8_t *q) {
    uint8_t s[8], m[8], *six = out + 4;
    store16(out, divided(fit.scale + at, 8, 63, true, s));
    store16(out + 2, divided(fit.minimum + at, 8, 63, true, m));
    for (int j = 0; j < 4; j++) {
        six[j] = s[j] | (s[j + 4] >> 4) << 6;
        six[j + 4] = m[j] | (m[j + 4] >> 4) << 6;
        six[j + 8] = (s[j + 4] & 15) | (m[j + 4] & 15) << 4;
    }
    const float d = from_half(load16(out)), dm = from_half(load16(out + 2));
    for (int j = 0; j < 8; j++) requantize<32>(x + 32 * j, d * s[j], dm * m[j], fit, at + j, 0, TOP, q + 32 * j);
}

static inline void pack_nibbles(const uint8_t *q, uint8_t *out) {
    for (int j = 0; j < 256; j += 64)
        for (int l = 0; l < 32; l++) out[j / 2 + l] = (q[j + l] & 15) | (q[j + l + 32] & 15) << 4;
}

struct Q4K {
    static constexpr int BYTES = 144, SUB = 32;
    static void search(const Floats *x, Fit &fit, int at, float *) { weighted<15, 20>(x, -1.0f, fit, at); }
    template <int TOP, int STEPS> static void weighted(const Floats *x, float first, Fit &fit, int at) {
        Floats w[32], sum = {};
        for (int i = 0; i < 32; i++) sum += x[i] * x[i];
        const Floats mean = square_root(sum / 32.0f);
        for (int i = 0; i < 32; i++) w[i] = mean + size(x[i]);
        with_minimum<32, TOP, STEPS, false>(x, w, first, fit, at);
    }
    static void pack(const float *x, const Fit &fit, int at, const float *, uint8_t *out) {
        uint8_t q[256];
        pack_with_sixes<15>(x, fit, at, out, q);
        pack_nibbles(q, out + 16);
    }
};

struct Q5K {
    static constexpr int BYTES = 176, SUB = 32;
    static void search(const Floats *x, Fit &fit, int at, float *) { Q4K::weighted<31, 15>(x, -0.5f, fit, at); }
    static void pack(const float *x, const Fit &fit, int at, const float *, uint8_t *out) {
        uint8_t q[256];
        pack_with_sixes<31>(x, fit, at, out, q);
        pack_nibbles(q, out + 48);
        for (int l = 0; l < 32; l++) {
            uint8_t fifth = 0;
            for (int j = 0; j < 8; j++) fifth |= (q[32 * j + l] >> 4) << j;
            out[16 + l] = fifth;
        }
    }
};

struct Q2K {
    static constexpr int BYTES = 84, SUB = 16;
    static void search(const Floats *x, Fit &fit, int at, float *) {
        Floats w[16];
        for (int i = 0; i < 16; i++) w[i] = size(x[i]);
        with_minimum<16, 3, 15, true>(x, w, -0.5f, fit, at);
    }
    static void pack(const float *x, const Fit &fit, int at, const float *, uint8_t *out) {
        uint8_t s[16], m[16], q[256];
        store16(out + 80, divided(fit.scale + at, 16, 15, false, s));
        store16(out + 82, divided(fit.minimum + at, 16, 15, false, m));
        const float d = from_half(load16(out + 80)), dm = from_half(load16(out + 82));
        for (int j = 0; j < 16; j++) {
            out[j] = s[j] | m[j] << 4;
            requantize<16>(x + 16 * j, d * (out[j] & 15), dm * (out[j] >> 4), fit, at + j, 0, 3, q + 16 * j);
        }
        pack_twos(q, out + 16);
    }
};

struct Q6K {
    static constexpr int BYTES = 210, SUB = 16;
    static void search(const Floats *x, Fit &fit, int at, float *) { around_zero(x, fit, at); }
    static void pack(const float *x, const Fit &fit, int at, const float *, uint8_t *out) {
        const float far = farthest(fit.scale + at, 16);
        if (__builtin_fabsf(far) < LEAST) {
            memset(out, 0, BYTES);
            return;
        }
        const float inverse = -128.0f / far;
        store16(out + 208, to_half_scale(1 / inverse));
        const float d = from_half(load16(out + 208));
        uint8_t q[256];
        for (int j = 0; j < 16; j++) {
            const int small = nearest(inverse * fit.scale[at + j]);
            const int8_t s = (int8_t)(small > 127 ? 127 : small);
            out[192 + j] = (uint8_t)s;
            requantize<16>(x + 16 * j, d * s, 0, fit, at + j, -32, 31, q + 16 * j);
        }
        for (int j = 0; j < 256; j += 128)
            for (int l = 0; l < 32; l++) {
                const uint8_t *v = q + j + l;
                out[j / 2 + l] = (v[0] & 15) | (v[64] & 15) << 4;
                out[j / 2 + l + 32] = (v[32] & 15) | (v[96] & 15) << 4;
                out[128 + j / 4 + l] = v[0] >> 4 | (v[32] >> 4) << 2 | (v[64] >> 4) << 4 | (v[96] >> 4) << 6;
            }
    }
};

struct Q3K {
    static constexpr int BYTES = 110, SUB = 16;
    static void search(const Floats *x, Fit &fit, int at, float *levels) { one_by_one(x, fit, at, levels); }
    static void pack(const float *x, const Fit &fit, int at, const float *levels, uint8_t *out) {
        const float far = farthest(fit.scale + at, 16), inverse = far != 0 ? -32.0f / far : 0;
        store16(out + 108, far != 0 ? to_half_scale(1 / inverse) : 0);
        const float half = from_half(load16(out + 108));
        uint8_t six[16], q[256], *low = out + 96, *high = out + 104;
        memset(low, 0, 12);
        for (int j = 0; j < 16; j++) {
            const int8_t small = (int8_t)nearest(inverse * fit.scale[at + j]);
            six[j] = far != 0 ? (uint8_t)(between(small, -32, 31) + 32) : 0;
            low[j % 8] |= (six[j] & 15) << (j < 8 ? 0 : 4);
            high[j % 4] |= (six[j] >> 4) << (2 * (j / 4));
            const float d = half * (float)((int)six[j] - 32);
            for (int i = 16 * j; i < 16 * j + 16; i++)
                q[i] = d == 0 ? (uint8_t)levels[i] : (uint8_t)(between(nearest(x[i] / d), -4, 3) + 4);
        }
        pack_twos(q, out + 32);
        for (int l = 0; l < 32; l++) {
            uint8_t third = 0;
            for (int j = 0; j < 8; j++) third |= (q[32 * j + l] >> 2) << j;
            out[l] = third;
        }
    }
};

// Blocks of K, two together so that 16 lanes are filled; marks in `odd` those that the reference must encode.
template <class K> static int64_t encode_k(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    constexpr int SUBS = 256 / K::SUB;
    int64_t marked = 0;
    for (int64_t at = 0; at < n; at += 2) {
        alignas(64) float x[512] = {}, levels[512];
        const int here = n - at < 2 ? 1 : 2;
        memcpy(x, in + at * 1024, (size_t)here * 1024);
        for (int b = 0; b < here; b++) marked += odd[at + b] = has_huge(x + 256 * b, 256);
        Fit fit = {};
        for (int j = 0; j < here * SUBS; j += LANES) {
            Floats lanes[K::SUB];
            gather<K::SUB>(x + j * K::SUB, lanes);
            K::search(lanes, fit, j, levels + j * K::SUB);
        }
        for (int b = 0; b < here; b++) K::pack(x + 256 * b, fit, b * SUBS, levels + 256 * b, out + (at + b) * K::BYTES);
    }
    return marked;
}

}  // namespace HUB_LEVEL
}  // namespace hub
