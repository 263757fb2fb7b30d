// Where stored values pass through on their way from a file or to one.
#pragma once

#include <cerrno>
#include <cstdlib>

#ifndef _WIN32
#include <unistd.h>
#endif

#include "kernels.h"

namespace hub {

// Whether `move(done)`, which moves some of what is left and says how much, has moved all `nbytes` bytes.
template <typename Move> static inline bool moved_all(int64_t nbytes, Move move) {
    for (int64_t done = 0; done < nbytes;) {
        const int64_t some = move(done);
        if (some <= 0 && !(some < 0 && errno == EINTR)) return false;
        if (some > 0) done += some;
    }
    return true;
}

// Bytes of a file from `offset` on into `out`, all of them or false. So is everywhere without positioned reads.
static inline bool read_all(int64_t fd, int64_t offset, uint8_t *out, int64_t nbytes) {
#ifndef _WIN32
    return moved_all(nbytes, [&](int64_t done) -> int64_t {
        return pread((int)fd, out + done, nbytes - done, offset + done);
    });
#else
    return false;
#endif
}

static inline bool write_all(int64_t fd, int64_t offset, const uint8_t *in, int64_t nbytes) {
#ifndef _WIN32
    return moved_all(nbytes, [&](int64_t done) -> int64_t {
        return pwrite((int)fd, in + done, nbytes - done, offset + done);
    });
#else
    return false;
#endif
}

// Values of one side, `batch` at a time: as they lie in memory, or in a buffer of its own where they lie in a file.
class Space {
  public:
    Space(const Stored &stored, int64_t batch) : stored(stored), own(nullptr) {
        if (!stored.data) own = (uint8_t *)malloc(stored.nbytes(batch));
    }
    ~Space() { free(own); }
    Space(const Space &) = delete;

    // Where values from `at` on are, or are to be put; null without memory.
    uint8_t *place(int64_t at) { return stored.data ? stored.data + stored.nbytes(at) : own; }

    // Where `count` values from `at` on have been read to; null where that cannot be.
    const uint8_t *pulled(int64_t at, int64_t count) {
        uint8_t *out = place(at);
        if (stored.data || !out) return out;
        return read_all(stored.fd, stored.offset + stored.nbytes(at), out, stored.nbytes(count)) ? out : nullptr;
    }

    // Whether `count` values that were put in their place from `at` on are where they belong now.
    bool pushed(int64_t at, int64_t count) {
        return stored.data || write_all(stored.fd, stored.offset + stored.nbytes(at), own, stored.nbytes(count));
    }

  private:
    const Stored &stored;
    uint8_t *own;
};

}  // namespace hub
