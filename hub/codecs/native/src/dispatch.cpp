// What the library exports: the kernels for the machine it runs on, and a way through two of them at once.
#include <cstring>

#include "kernels.h"
#include "space.h"

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

constexpr int64_t STEP = 1024;  // values that are decoded at a time

#define EXPORT extern "C" __attribute__((visibility("default")))

// Kernels by name at the best level that the machine has, or at most level `wanted` (0 AVX-512, 1 AVX2, 2 portable).
EXPORT hub::Kernel hub_decoder(const char *name, int wanted) { return hub::find(name, wanted, false); }

EXPORT hub::Kernel hub_encoder(const char *name, int wanted) { return hub::find(name, wanted, true); }

// Stored values in another encoding, through float32 in the first-level cache; at least one of both has a kernel. How
// many of the `n` were done: those before the first step of 1024 that holds something odd, or that a file does not give
// or take. At most `batch` of them, a multiple of 1024, are read or written at a time.
EXPORT int64_t hub_recode(const hub::Stored *in, const hub::Stored *out, int64_t n, int64_t batch) {
    alignas(64) uint8_t values[4 * STEP], odd[STEP];
    hub::Space read(*in, batch), wrote(*out, batch);
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t count = n - at < batch ? n - at : batch;
        const uint8_t *source = read.pulled(at, count);
        uint8_t *target = wrote.place(at);
        if (!source || !target) return at;
        int64_t done = 0;
        for (int64_t step; done < count; done += step) {
            step = count - done < STEP ? count - done : STEP;
            const uint8_t *from = source + in->nbytes(done);
            uint8_t *to = target + out->nbytes(done);
            if (in->kernel) {
                uint8_t *decoded = out->kernel ? values : to;
                if (in->kernel(from, decoded, odd, step / in->per)) break;
                from = decoded;
            }
            if (out->kernel && out->kernel(from, to, odd, step / out->per)) break;
        }
        if (!wrote.pushed(at, done)) return at;
        if (done < count) return at + done;
    }
    return n;
}

// What two runs of float32 have in common, by the best level that the machine has, or at most level `wanted`.
EXPORT int64_t hub_compare(const uint8_t *a, const uint8_t *b, int64_t n, hub::Sums *out, int wanted) {
    return hub::best(wanted).compare(a, b, n, out);
}

// The same of n values of two tensors as they are stored, decoded in the first-level cache, `batch` of them, a multiple
// of 1024, read at a time. -1 where a block is odd or a file does not give it.
EXPORT int64_t hub_compare_stored(const hub::Stored *a, const hub::Stored *b, int64_t n, hub::Sums *out, int64_t batch,
                                  int wanted) {
    alignas(64) uint8_t values[2][4 * STEP], odd[STEP];
    const hub::Stored *sides[2] = {a, b};
    hub::Space read[2] = {{*a, batch}, {*b, batch}};
    const hub::Comparison compare = hub::best(wanted).compare;
    *out = {0, -1, 0, 0, 0, 0, 0};
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t count = n - at < batch ? n - at : batch;
        const uint8_t *stored[2] = {read[0].pulled(at, count), read[1].pulled(at, count)};
        if (!stored[0] || !stored[1]) return -1;
        for (int64_t done = 0; done < count; done += STEP) {
            const int64_t step = count - done < STEP ? count - done : STEP;
            const uint8_t *found[2];
            for (int i = 0; i < 2; i++) {
                found[i] = stored[i] + sides[i]->nbytes(done);
                if (!sides[i]->kernel) continue;
                if (sides[i]->kernel(found[i], values[i], odd, step / sides[i]->per)) return -1;
                found[i] = values[i];
            }
            hub::Sums part;
            if (compare(found[0], found[1], step, &part)) return -1;
            if (out->first < 0 && part.first >= 0) out->first = at + done + part.first;
            out->different += part.different;
            out->most = part.most > out->most ? part.most : out->most;
            out->square += part.square;
            out->aa += part.aa;
            out->bb += part.bb;
            out->ab += part.ab;
        }
    }
    return 0;
}

// 1 where n values of both, of which no kernel knows, are the same bytes, 0 where they are not, -1 where a file does not
// give them.
EXPORT int64_t hub_alike(const hub::Stored *a, const hub::Stored *b, int64_t n, int64_t batch) {
    hub::Space one(*a, batch), other(*b, batch);
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t count = n - at < batch ? n - at : batch;
        const uint8_t *x = one.pulled(at, count), *y = other.pulled(at, count);
        if (!x || !y) return -1;
        if (memcmp(x, y, a->nbytes(count))) return 0;
    }
    return 1;
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
