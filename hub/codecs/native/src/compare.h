// Two runs of float32 side by side: what differs, and the sums behind rmse and cosine, in one pass.
#pragma once

#include "kernels.h"
#include "lanes.h"

namespace hub {
namespace HUB_LEVEL {

constexpr int WIDE = 4 * LANES;

// Half as many floats as a register holds: as many as it holds as doubles.
typedef float Narrow __attribute__((vector_size(2 * HUB_LANES)));
typedef double Doubles __attribute__((vector_size(4 * HUB_LANES)));

// The sum of both halves of x, as doubles.
static inline Doubles folded(Floats x) {
    Narrow halves[2];
    memcpy(halves, &x, sizeof x);
    return __builtin_convertvector(halves[0], Doubles) + __builtin_convertvector(halves[1], Doubles);
}

static inline double total(Doubles x) {
    double sum = 0;
    for (int lane = 0; lane < LANES / 2; lane++) sum += x[lane];
    return sum;
}

struct Running {
    Floats most = {};
    Doubles square = {}, aa = {}, across = {};  // of (b - a)^2, a^2, (b - a) * a
    Ints different = {};                        // minus the number of values whose bits differ
    double most_slowly = 0;

    // A few values of each, summed up in float32; false, with nothing added, where that would lose something: sums that
    // overflow or vanish, infinities, NaN.
    inline bool add(const uint8_t *a, const uint8_t *b, int64_t nbytes) {
        Floats far = {}, squares = {}, own = {}, cross = {};
        Ints odd = {};
        for (int64_t at = 0; at < nbytes; at += WIDE) {
            Floats x, y;
            memcpy(&x, a + at, sizeof x);
            memcpy(&y, b + at, sizeof y);
            const Floats gap = y - x;
            odd += (Ints)x != (Ints)y;
            far = larger(size(gap), far);
            squares += gap * gap;
            own += x * x;
            cross += gap * x;
        }
        constexpr float LEAST_SUM = 0x1p-80f, MOST_SUM = 0x1p120f;
        const Ints fine = (own > LEAST_SUM) & (own < MOST_SUM) & (squares < MOST_SUM) &
                          ((squares > LEAST_SUM) | (far == Floats{}));
        if (any(~fine)) return false;
        most = larger(far, most);
        square += folded(squares);
        aa += folded(own);
        across += folded(cross);
        different += odd;
        return true;
    }

    // The same one by one; false where a value is infinite or a NaN.
    inline bool add_slowly(const uint8_t *a, const uint8_t *b, int64_t nbytes) {
        for (int64_t at = 0; at < nbytes; at += 4) {
            float x, y;
            memcpy(&x, a + at, 4);
            memcpy(&y, b + at, 4);
            if (!__builtin_isfinite(x) || !__builtin_isfinite(y)) return false;
            const double gap = (double)y - x, far = __builtin_fabs(gap);
            most_slowly = far > most_slowly ? far : most_slowly;
            square[0] += gap * gap;
            aa[0] += (double)x * x;
            across[0] += gap * x;
            different[0] -= memcmp(a + at, b + at, 4) != 0;
        }
        return true;
    }
};

static int64_t compare(const uint8_t *a, const uint8_t *b, int64_t n, Sums *out) {
    constexpr int64_t RUN = 32 * WIDE;  // bytes: short enough for float32 to keep six digits of a sum
    Running sums;
    for (int64_t at = 0; at < 4 * n; at += RUN) {
        const int64_t nbytes = 4 * n - at < RUN ? 4 * n - at : RUN;
        if (nbytes % WIDE == 0 && sums.add(a + at, b + at, nbytes)) continue;
        if (!sums.add_slowly(a + at, b + at, nbytes)) return 1;
    }
    const double square = total(sums.square), aa = total(sums.aa), across = total(sums.across);
    *out = {0, -1, sums.most_slowly, square, aa, aa + 2 * across + square, aa + across};
    for (int lane = 0; lane < LANES; lane++) {
        out->different -= sums.different[lane];
        out->most = sums.most[lane] > out->most ? sums.most[lane] : out->most;
    }
    if (out->different)
        for (out->first = 0; !memcmp(a + 4 * out->first, b + 4 * out->first, 4); out->first++) continue;
    return 0;
}

}  // namespace HUB_LEVEL
}  // namespace hub
