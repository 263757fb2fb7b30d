// What the library exports: the kernels for the machine it runs on, and a way through two of them at once.
#include <cstring>

#include "kernels.h"

namespace hub {
namespace portable {
extern const Level level;
}
#ifdef HUB_X86
namespace avx2 {
extern const Level level;
}
namespace avx512 {
extern const Level level;
}
#endif

static const Level &best(int wanted) {
#ifdef HUB_X86
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (wanted <= 0 && wide) return avx512::level;
    if (wanted <= 1 && __builtin_cpu_supports("avx2")) return avx2::level;
#endif
    (void)wanted;
    return portable::level;
}

static Kernel find(const char *name, int wanted, bool encodes) {
    for (const Entry *entry = best(wanted).table; entry->name; entry++)
        if (!strcmp(entry->name, name)) return encodes ? entry->encode : entry->decode;
    return nullptr;
}

}  // namespace hub

#define EXPORT extern "C" __attribute__((visibility("default")))

// Kernels by name at the best level that the machine has, or at most level `wanted` (0 AVX-512, 1 AVX2, 2 portable).
EXPORT hub::Kernel hub_decoder(const char *name, int wanted) { return hub::find(name, wanted, false); }

EXPORT hub::Kernel hub_encoder(const char *name, int wanted) { return hub::find(name, wanted, true); }

// Stored values of one encoding into another, through float32 in the first-level cache. `n` steps of 1024 values that
// take `width` bytes as they are and `new_width` in the other encoding; `per` and `new_per` values lie in a block.
// 0, or the number of steps from the first that holds something odd: those are not done.
EXPORT int64_t hub_recode(hub::Kernel decode, hub::Kernel encode, const uint8_t *in, uint8_t *out, int64_t n,
                          int64_t width, int64_t new_width, int64_t per, int64_t new_per) {
    alignas(64) uint8_t values[4096], odd[1024];
    for (int64_t at = 0; at < n; at++) {
        if (decode(in + at * width, values, odd, 1024 / per)) return n - at;
        if (encode(values, out + at * new_width, odd, 1024 / new_per)) return n - at;
    }
    return 0;
}

// What two runs of float32 have in common, by the best level that the machine has, or at most level `wanted`.
EXPORT int64_t hub_compare(const uint8_t *a, const uint8_t *b, int64_t n, hub::Sums *out, int wanted) {
    return hub::best(wanted).compare(a, b, n, out);
}
