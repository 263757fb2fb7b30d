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

// The sums over a few values of a and b, in float32: of gap^2, a^2, b^2, a * b and a * gap, where gap is b - a.
struct Short {
    Floats most = {}, square = {}, aa = {}, bb = {}, ab = {}, across = {};
    Ints different = {};  // minus the number of values whose bits differ

    inline void add(const uint8_t *a, const uint8_t *b) {
        Floats x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        const Floats gap = y - x;
        different += (Ints)x != (Ints)y;
        most = larger(size(gap), most);
        square += gap * gap;
        aa += x * x;
        bb += y * y;
        ab += x * y;
        across += x * gap;
    }

    // False where float32 has lost something: sums that overflowed or vanished, infinities, NaN.
    inline bool whole() const {
        constexpr float LEAST_SUM = 0x1p-80f, MOST_SUM = 0x1p120f;
        const Ints a = (aa > LEAST_SUM) & (aa < MOST_SUM), b = (bb > LEAST_SUM) & (bb < MOST_SUM);
        const Ints gap = (square < MOST_SUM) & ((square > LEAST_SUM) | (most == Floats{}));
        return !any(~(a & b & gap));
    }
};

struct Running {
    Floats most = {};
    Doubles square = {}, aa = {}, bb = {}, ab = {};
    Ints different = {};
    double most_slowly = 0;

    // Of values that lie close together, b^2 and a * b come from a^2 and the gap: however little the angle between a
    // and b is, its cosine then has it right, which sums of their own, each rounded in its own way, would not.
    inline bool add(const uint8_t *a, const uint8_t *b, int64_t nbytes) {
        Short sums;
        for (int64_t at = 0; at < nbytes; at += WIDE) sums.add(a + at, b + at);
        if (!sums.whole()) return false;
        const Doubles own = folded(sums.aa), gap = folded(sums.square), across = folded(sums.across);
        const auto close = 4 * gap < own;
        most = larger(sums.most, most);
        different += sums.different;
        square += gap;
        aa += own;
        bb += close ? own + 2 * across + gap : folded(sums.bb);
        ab += close ? own + across : folded(sums.ab);
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
            bb[0] += (double)y * y;
            ab[0] += (double)x * y;
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
    *out = {0, -1, sums.most_slowly, total(sums.square), total(sums.aa), total(sums.bb), total(sums.ab)};
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
