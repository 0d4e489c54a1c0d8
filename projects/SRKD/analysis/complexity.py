"""What a network costs on real scenes: parameters, operations, memory, time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..base import UsageError
from .networks import predict
from .operations import count_operations
from .report import markdown_table

COUNTING = (
    'GFLOPs: a multiplication and an addition are two operations; papers on detection count them '
    'as one'
)


@dataclass(frozen=True)
class Complexity:
    """Cost of a network, averaged over the measured scenes.

    Attributes:
        parameters: Number of parameters.
        flops: Operations per scene, by kind.
        ms: Milliseconds per scene from raw points to labels, as its 10th, 50th and 90th
            percentile.
        memory: Peak memory in bytes; None on CPU, where it is not measured.
    """

    parameters: int
    flops: dict[str, float]
    ms: tuple[float, float, float]
    memory: int | None


def measure(
    network: nn.Module, batches: Sequence[dict[str, Any]], warmup: int = 2, repeats: int = 10
) -> Complexity:
    """Measure a network in eval mode.

    Args:
        network: On the device to measure.
        batches: Scenes, one each; see :func:`projects.SRKD.analysis.networks.read_scenes`.
        warmup: Passes before the clock starts.
        repeats: Timed passes over each scene.

    Raises:
        UsageError: If there is no scene or nothing to time.
    """
    if not batches or repeats < 1:
        raise UsageError(
            f'scenes and repeats must be at least 1 each, but got {len(batches)} and {repeats}'
        )
    device = next(network.parameters()).device
    cuda = device.type == 'cuda'

    def synchronize() -> None:
        if cuda:
            torch.cuda.synchronize(device)

    with count_operations(network) as counter:
        for batch in batches:
            predict(network, batch)
    for i in range(warmup):
        predict(network, batches[i % len(batches)])
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(repeats):
        for batch in batches:
            synchronize()
            began = time.perf_counter()
            predict(network, batch)
            synchronize()
            times.append(1e3 * (time.perf_counter() - began))
    low, middle, high = torch.tensor(times).quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    return Complexity(
        parameters=sum(p.numel() for p in network.parameters()),
        flops={kind: value / len(batches) for kind, value in counter.flops.items()},
        ms=(low, middle, high),
        memory=torch.cuda.max_memory_allocated(device) if cuda else None,
    )


def complexity_table(costs: dict[str, Complexity], teacher: str | None = None) -> str:
    """Table of networks side by side.

    Args:
        costs: Name and cost of each.
        teacher: Name of the one whose parameters the compression ratio starts from.
    """
    rows = []
    for name, cost in costs.items():
        kinds = ', '.join(f'{kind} {value / 1e9:.2f}' for kind, value in cost.flops.items())
        ratio = costs[teacher].parameters / cost.parameters if teacher else None
        rows.append(
            [
                name,
                f'{cost.parameters:,}',
                f'{ratio:.2f}x' if ratio else '-',
                f'{sum(cost.flops.values()) / 1e9:.2f} ({kinds})',
                '{1:.1f} ({0:.1f} .. {2:.1f})'.format(*cost.ms),
                'not measured on CPU' if cost.memory is None else f'{cost.memory / 2**20:.0f} MiB',
            ]
        )
    header = ['network', 'parameters', 'ratio', 'GFLOPs/scene', 'ms/scene', 'peak memory']
    note = 'ms/scene: median (10th .. 90th percentile)'
    return f'{markdown_table(header, rows)}\n{note}\n{COUNTING}'
