"""The Python names of the SC-NeuroCore engine, on Bitaxon.

    import bitaxon.compat.sc_neurocore as engine      # was: import sc_neurocore_engine as engine

Names, arguments, shapes and dtypes are the engine's; the bits are Bitaxon's own. Where the engine is wrong (floored
probabilities, shared streams, noise that repeats) this is right, and what the engine clamps in silence is an error
here: docs/migration.md has the table, and the names that are absent.
"""

from .attention import StochasticAttention
from .bitstreams import (
    batch_encode,
    batch_encode_numpy,
    pack_bitstream,
    pack_bitstream_numpy,
    popcount,
    popcount_numpy,
    unpack_bitstream,
    unpack_bitstream_numpy,
)
from .graphs import StochasticGraphLayer
from .hdc import BitStreamTensor, HDCVector
from .layers import DenseLayer, VectorizedSCLayer
from .neurons import (
    FixedPointLif,
    FixedPointLIFNeuron,
    batch_lif_run,
    batch_lif_run_multi,
    batch_lif_run_varying,
)
from .registers import BitstreamAverager, BitstreamEncoder, Lfsr16
from .runtime import set_num_threads, simd_tier
from .scpn import KuramotoSolver

__all__ = [
    "BitStreamTensor",
    "BitstreamAverager",
    "BitstreamEncoder",
    "DenseLayer",
    "FixedPointLIFNeuron",
    "FixedPointLif",
    "HDCVector",
    "KuramotoSolver",
    "Lfsr16",
    "StochasticAttention",
    "StochasticGraphLayer",
    "VectorizedSCLayer",
    "batch_encode",
    "batch_encode_numpy",
    "batch_lif_run",
    "batch_lif_run_multi",
    "batch_lif_run_varying",
    "pack_bitstream",
    "pack_bitstream_numpy",
    "popcount",
    "popcount_numpy",
    "set_num_threads",
    "simd_tier",
    "unpack_bitstream",
    "unpack_bitstream_numpy",
]
