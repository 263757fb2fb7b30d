// Two runs of float32 side by side: what differs, and the sums behind rmse and cosine, in one pass.
#pragma once

#include <initializer_list>

#include "kernels.h"
#include "lanes.h"

namespace hub {
namespace HUB_LEVEL {

// Half as many floats as a register holds: as many as it holds as doubles.
typedef float Narrow __attribute__((vector_size(2 * HUB_LANES)));
typedef double Doubles __attribute__((vector_size(4 * HUB_LANES)));
typedef int64_t Longs __attribute__((vector_size(4 * HUB_LANES)));

static inline Doubles doubled(const uint8_t *in) {
    Narrow x;
    memcpy(&x, in, sizeof x);
    return __builtin_convertvector(x, Doubles);
}

static inline double total(Doubles x) {
    double sum = 0;
    for (int lane = 0; lane < LANES / 2; lane++) sum += x[lane];
    return sum;
}

struct Running {
    Doubles most = {}, square = {}, aa = {}, bb = {}, ab = {};

    inline void add(Doubles x, Doubles y) {
        const Doubles gap = y - x, size = (Doubles)((Longs)gap & INT64_MAX);
        most = size > most ? size : most;
        square += gap * gap;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
};

// Which bits differ, in LANES values.
struct Unequal {
    Ints different = {}, largest = {};  // minus the number of values that differ; the largest bits without a sign

    inline void add(const uint8_t *a, const uint8_t *b) {
        Ints x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        different += x != y;
        for (Ints one : {x & 0x7fffffff, y & 0x7fffffff}) largest = one > largest ? one : largest;
    }
};

// Calls `step` with each LANES values of both, the last ones filled up with zeros.
template <typename Step> static inline void walk(const uint8_t *a, const uint8_t *b, int64_t n, Step step) {
    constexpr int WIDE = 4 * LANES;
    const int64_t whole = n / LANES * WIDE;
    for (int64_t at = 0; at < whole; at += WIDE) step(a + at, b + at);
    if (whole == 4 * n) return;
    uint8_t x[WIDE] = {}, y[WIDE] = {};
    memcpy(x, a + whole, 4 * n - whole);
    memcpy(y, b + whole, 4 * n - whole);
    step(x, y);
}

static int64_t compare(const uint8_t *a, const uint8_t *b, int64_t n, Sums *out) {
    constexpr int HALF = 2 * LANES;
    Unequal bits;
    Running low, high;
    if (!memcmp(a, b, 4 * n)) {
        walk(a, b, n, [&](const uint8_t *x, const uint8_t *) {
            bits.add(x, x);
            low.aa += doubled(x) * doubled(x);
            high.aa += doubled(x + HALF) * doubled(x + HALF);
        });
        low.ab = low.bb = low.aa, high.ab = high.bb = high.aa;
    } else {
        walk(a, b, n, [&](const uint8_t *x, const uint8_t *y) {
            bits.add(x, y);
            low.add(doubled(x), doubled(y));
            high.add(doubled(x + HALF), doubled(y + HALF));
        });
    }
    *out = {0, -1, 0, total(low.square + high.square), total(low.aa + high.aa), total(low.bb + high.bb),
            total(low.ab + high.ab)};
    for (int lane = 0; lane < LANES; lane++) {
        if (bits.largest[lane] >= 0x7f800000) return 1;
        out->different -= bits.different[lane];
        const double most = lane < LANES / 2 ? low.most[lane] : high.most[lane - LANES / 2];
        out->most = most > out->most ? most : out->most;
    }
    if (out->different)
        for (out->first = 0; !memcmp(a + 4 * out->first, b + 4 * out->first, 4); out->first++) continue;
    return 0;
}

}  // namespace HUB_LEVEL
}  // namespace hub
