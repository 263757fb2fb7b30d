// Halves and float32: "blocks" of one value each; whole runs that hold something odd go to the reference.
#pragma once

#include "half.h"

namespace hub {
namespace HUB_LEVEL {

// Rows of a file begin anywhere.
typedef uint16_t Half __attribute__((aligned(1), may_alias));
typedef float Value __attribute__((aligned(1), may_alias));
typedef uint32_t Bits __attribute__((aligned(1), may_alias));

static int64_t mark(uint8_t *odd, int64_t n, bool found) {
    for (int64_t i = 0; i < n; i++) odd[i] = found;
    return found ? n : 0;
}

static int64_t halves_from_values(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    const Value *x = (const Value *)in;
    Half *half = (Half *)out;
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    int64_t i = 0;
#ifdef HUB_HALVES
    for (; i + LANES <= n; i += LANES) narrow(in + 4 * i, out + 2 * i);
#endif
    for (; i < n; i++) half[i] = to_half(x[i]);
    return mark(odd, n, most >= TOO_LARGE);
}

static int64_t values_from_halves(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    const Half *half = (const Half *)in;
    Value *x = (Value *)out;
    uint16_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint16_t size = half[i] & 0x7fff;
        most = size > most ? size : most;
    }
    int64_t i = 0;
#ifdef HUB_HALVES
    for (; i + LANES <= n; i += LANES) widen(in + 2 * i, out + 4 * i);
#endif
    for (; i < n; i++) x[i] = from_half(half[i]);
    return mark(odd, n, most >= 0x7c00);
}

static int64_t brain_from_values(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    const Value *x = (const Value *)in;
    Half *half = (Half *)out;
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of(x[i]), size = bits & 0x7fffffff;
        most = size > most ? size : most;
        half[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    return mark(odd, n, most > EXPONENT);
}

static int64_t values_from_brain(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n) {
    const Half *half = (const Half *)in;
    Bits *x = (Bits *)out;
    for (int64_t i = 0; i < n; i++) x[i] = (uint32_t)half[i] << 16;
    return mark(odd, n, false);
}

}  // namespace HUB_LEVEL
}  // namespace hub
