// What every level of instructions offers: a table of kernels by the name of the encoding, ended by an empty entry.
#pragma once

#include <cstdint>

namespace hub {

// n blocks of `in` into `out`. A block whose values the kernel may not take (infinities, NaN, scales at the edge of
// float32) gets a 1 in `odd` and must be done by the reference; the result is the number of those.
typedef int64_t (*Kernel)(const uint8_t *in, uint8_t *out, uint8_t *odd, int64_t n);

struct Entry {
    const char *name;
    Kernel decode, encode;
};

}  // namespace hub
