"""Data sets that published networks were trained on, and what they fed them.

Inputs and voxel sizes: Pointcept's configs of PT-v3m1, ``feat_keys`` and ``grid_size``; scales:
its data sets and ``NormalizeColor``, which divided by 127.5 and took 1 off until v1.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...base import UsageError
from ...base.checks import check_choice

RELEASES = {
    '1.5.1': 'the published PTv3 (hub:Pointcept/PointTransformerV3)',
    '1.5.2': 'trained with Pointcept v1.5.2 to v1.5.3',
    '1.6': 'trained with Pointcept v1.6 or later',
}
"""Versions of Pointcept between which a network of the same parameters changed, and whose it is."""


@dataclass(frozen=True)
class Benchmark:
    """One data set as published networks see it.

    Attributes:
        classes: How many.
        data: Base config of the data set here.
        schedule: Base config of the schedule.
        inputs: What enters, in order.
        voxel_size: Edge of a voxel, meters.
        condition: Its name in networks of several data sets.
    """

    classes: int
    data: str
    schedule: str
    inputs: tuple[str, ...]
    voxel_size: float
    condition: str


_ROOMS = dict(
    schedule='onecycle-800e', inputs=('signed_color', 'normal'), voxel_size=0.02,
    condition='ScanNet',
)  # fmt: skip
_STREETS = dict(schedule='onecycle-50e', inputs=('xyz', 'intensity'), voxel_size=0.05)
BENCHMARKS = {
    'scannet': Benchmark(classes=20, data='scannet-seg-normals', **_ROOMS),
    'scannet200': Benchmark(classes=200, data='scannet200-seg-normals', **_ROOMS),
    'nuscenes': Benchmark(classes=16, data='nuscenes-lidarseg', condition='nuScenes', **_STREETS),
    'semantickitti': Benchmark(
        classes=19, data='semantickitti', condition='SemanticKITTI', **_STREETS
    ),
}


def benchmark_of(name: str | None, classes: int) -> tuple[str, Benchmark]:
    """The data set of a name, or the one with so many classes.

    Raises:
        UsageError: If there is none, or the named one has another number of classes.
    """
    if name is not None:
        check_choice('dataset', name, BENCHMARKS)
        wanted = BENCHMARKS[name].classes
        if wanted != classes:
            raise UsageError(
                f'the head has {classes} classes, but dataset {name} has {wanted}: name the data '
                'set that the network was trained on'
            )
        return name, BENCHMARKS[name]
    for name, benchmark in BENCHMARKS.items():
        if benchmark.classes == classes:
            return name, benchmark
    known = ', '.join(f'{name} ({one.classes})' for name, one in BENCHMARKS.items())
    raise UsageError(
        f'the head has {classes} classes, expected those of a data set that has a config here: '
        f'{known}'
    )


def inputs_of(benchmark: Benchmark, family: str, release: str | None) -> tuple[str, ...]:
    """What enters a published network, in order; the scale of colors changed with v1.6."""
    newer = family == 'LitePT' or (family == 'PTv3' and release == '1.6')
    return tuple('color' if newer and n == 'signed_color' else n for n in benchmark.inputs)
