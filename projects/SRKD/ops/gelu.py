"""GELU for rows of ever other numbers, without what torch keeps of each number on a CPU.

Shape letters: N rows, C channels.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class GELU(nn.Module):
    """``nn.GELU``, which on a CPU neither grows nor scatters the heap.

    torch 2.13 hands a contiguous float32 tensor on a CPU to oneDNN, which prepares an operation for
    its shape and keeps the last 1,024 of them, those of forward and backward apart. Clouds have
    another number of rows each, so none is found again, and what is kept lies scattered between
    freed tensors: a loop of nothing but GELUs grew by 280 MiB in 2,000 rounds. That cache cannot be
    made smaller instead (``ONEDNN_PRIMITIVE_CACHE_CAPACITY``): convolutions of detectors live on
    it. A transposed view is not contiguous and takes torch's own kernel, which is no slower
    (``benchmarks/NOTES.md``).
    """

    def forward(self, feat: Tensor) -> Tensor:
        """Map ``(N, C)`` to ``(N, C)``."""
        return F.gelu(feat.mT).mT
