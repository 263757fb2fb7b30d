// The kernels of one level of instructions; built once a level with HUB_LEVEL and HUB_LANES set.
#include "kernels.h"

#include "compare.h"
#include "iq4.h"
#include "kquants_decode.h"
#include "kquants_encode.h"
#include "legacy.h"
#include "plain.h"

namespace hub {
namespace HUB_LEVEL {

static const Entry table[] = {
    {"F16", values_from_halves, halves_from_values},
    {"BF16", values_from_brain, brain_from_values},
    {"Q4_0", decode_blocks<Q40>, encode_blocks<Q40>},
    {"Q4_1", decode_blocks<Q41>, encode_blocks<Q41>},
    {"Q5_0", decode_blocks<Q50>, encode_blocks<Q50>},
    {"Q5_1", decode_blocks<Q51>, encode_blocks<Q51>},
    {"Q8_0", decode_blocks<Q80>, encode_q8_0},
    {"Q2_K", decode_blocks<Q2KValues>, encode_k<Q2K>},
    {"Q3_K", decode_blocks<Q3KValues>, encode_k<Q3K>},
    {"Q4_K", decode_blocks<Q4KValues>, encode_k<Q4K>},
    {"Q5_K", decode_blocks<Q5KValues>, encode_k<Q5K>},
    {"Q6_K", decode_blocks<Q6KValues>, encode_k<Q6K>},
    {"IQ4_NL", decode_blocks<IQ4NLValues>, encode_iq4_nl},
    {"IQ4_XS", decode_blocks<IQ4XSValues>, encode_iq4_xs},
    {nullptr, nullptr, nullptr},
};

extern const Level level = {table, compare};

}  // namespace HUB_LEVEL
}  // namespace hub
