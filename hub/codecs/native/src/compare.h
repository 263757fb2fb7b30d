// Two runs of float32 side by side: what differs, and the sums behind rmse and cosine, in one pass.
#pragma once

#include <initializer_list>

#include "kernels.h"
#include "lanes.h"

namespace hub {
namespace HUB_LEVEL {

typedef double Doubles __attribute__((vector_size(8 * HUB_LANES)));

static inline Doubles doubled(Floats x) { return __builtin_convertvector(x, Doubles); }

static inline double total(Doubles x) {
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += x[lane];
    return sum;
}

struct Running {
    Ints different = {}, largest = {};  // minus the number of lanes that differ; the largest bits without a sign
    Doubles most = {}, square = {}, aa = {}, bb = {}, ab = {};

    inline void add(Floats a, Floats b) {
        different += (Ints)a != (Ints)b;
        for (Floats one : {a, b}) {
            const Ints bits = (Ints)one & 0x7fffffff;
            largest = bits > largest ? bits : largest;
        }
        const Doubles x = doubled(a), y = doubled(b), gap = y - x, size = gap < 0 ? -gap : gap;
        most = size > most ? size : most;
        square += gap * gap;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
};

static int64_t compare(const uint8_t *a, const uint8_t *b, int64_t n, Sums *out) {
    Running run;
    Floats x, y;
    int64_t at = 0;
    for (; at + LANES <= n; at += LANES) {
        memcpy(&x, a + 4 * at, sizeof x);
        memcpy(&y, b + 4 * at, sizeof y);
        run.add(x, y);
    }
    if (at < n) {
        x = y = Floats{};
        memcpy(&x, a + 4 * at, 4 * (n - at));
        memcpy(&y, b + 4 * at, 4 * (n - at));
        run.add(x, y);
    }
    *out = {0, -1, 0, total(run.square), total(run.aa), total(run.bb), total(run.ab)};
    for (int lane = 0; lane < LANES; lane++) {
        if (run.largest[lane] >= 0x7f800000) return 1;
        out->different -= run.different[lane];
        out->most = run.most[lane] > out->most ? run.most[lane] : out->most;
    }
    if (out->different)
        for (out->first = 0; !memcmp(a + 4 * out->first, b + 4 * out->first, 4); out->first++) continue;
    return 0;
}

}  // namespace HUB_LEVEL
}  // namespace hub
