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

// Of two runs of float32: values whose bits differ, the first of them (-1 for none), the largest |b - a|, and the sums
// of (b - a)^2, a^2, b^2 and a * b, in float64.
struct Sums {
    int64_t different, first;
    double most, square, aa, bb, ab;
};

// Values as they are stored: in memory or, where `data` is null, in an open file from byte `offset` on. `per` of them lie
// in a block of `width` bytes, which `kernel` decodes or encodes; without one they are float32.
struct Stored {
    Kernel kernel;
    uint8_t *data;
    int64_t fd, offset, per, width;

    int64_t nbytes(int64_t values) const { return values / per * width; }
};

// n values of each into `out`; 1, with `out` of no use, where one of them is infinite or a NaN.
typedef int64_t (*Comparison)(const uint8_t *a, const uint8_t *b, int64_t n, Sums *out);

struct Level {
    const Entry *table;
    Comparison compare;
};

}  // namespace hub
