"""How fast this machine is, so that a duration measured elsewhere can be told before a start.

Shape letters: N rows, C channels.
"""

import os
import time
from statistics import median

_PROBE_SECONDS = 0.50  # the work below where the durations were measured: one quiet Xeon core
_ROWS, _CHANNELS = 20_000, 64


def pace() -> float:
    """How many times longer a network's work takes here than where durations were measured.

    A machine that is busy with something else is slower, and told so.
    """
    return median(_probe() for _ in range(3)) / _PROBE_SECONDS


def minutes_here(minutes: float, side_by_side: int) -> float:
    """What takes ``minutes`` with a core for each of its parts, on this machine.

    Args:
        minutes: Measured duration.
        side_by_side: Parts that run at the same time, each on one core.
    """
    return minutes * pace() * max(1.0, side_by_side / os.cpu_count())


def _probe() -> float:
    """Seconds of a fixed piece of a point network's work, on one thread."""
    import torch  # here: --help must not wait for it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        draw = torch.Generator().manual_seed(0)
        x = torch.rand(_ROWS, _CHANNELS, generator=draw)  # (N, C)
        weight = torch.rand(_CHANNELS, _CHANNELS, generator=draw)  # (C, C)
        rows = torch.randint(_ROWS, (_ROWS,), generator=draw)  # (N,)
        begun = time.perf_counter()
        for _ in range(100):
            x = torch.layer_norm(x[rows] @ weight, (_CHANNELS,)).softmax(-1)
        return time.perf_counter() - begun
    finally:
        torch.set_num_threads(threads)
