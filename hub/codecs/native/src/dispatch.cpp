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
    if (wanted <= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) return avx2::level;
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

// The same of n values of two tensors as they are stored, decoded in the first-level cache; a side without a decoder is
// float32 already. -1 where a block is odd.
EXPORT int64_t hub_compare_stored(const hub::Side *a, const hub::Side *b, int64_t n, hub::Sums *out, int wanted) {
    constexpr int64_t STEP = 1024;
    alignas(64) uint8_t values[2][4 * STEP], odd[STEP];
    *out = {0, -1, 0, 0, 0, 0, 0};
    for (int64_t at = 0; at < n; at += STEP) {
        const int64_t count = n - at < STEP ? n - at : STEP;
        const uint8_t *found[2];
        for (int i = 0; i < 2; i++) {
            const hub::Side &side = i ? *b : *a;
            found[i] = side.data + at / side.per * side.width;
            if (!side.decode) continue;
            if (side.decode(found[i], values[i], odd, count / side.per)) return -1;
            found[i] = values[i];
        }
        hub::Sums part;
        if (hub::best(wanted).compare(found[0], found[1], count, &part)) return -1;
        if (out->first < 0 && part.first >= 0) out->first = at + part.first;
        out->different += part.different;
        out->most = part.most > out->most ? part.most : out->most;
        out->square += part.square;
        out->aa += part.aa;
        out->bb += part.bb;
        out->ab += part.ab;
    }
    return 0;
}

// Steps over strings, each after its length in 8 bytes (the other way round with `swap`), from `*at` on: as many as end
// within `size` bytes and are no longer than `longest`, `n` at most. How many; `*at` is where the next one begins.
EXPORT int64_t hub_skip_strings(const uint8_t *data, int64_t size, int64_t *at, int64_t n, uint64_t longest, int swap) {
    int64_t low = *at, done = 0;
    for (; done < n && low + 8 <= size; done++) {
        uint64_t length;
        memcpy(&length, data + low, 8);
        if (swap) length = __builtin_bswap64(length);
        if (length > longest || (int64_t)length > size - low - 8) break;
        low += 8 + length;
    }
    *at = low;
    return done;
}
