"""nuScenes' detection scores of the frames that are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mmdet3d.evaluation import NuScenesMetric
from mmdet3d.registry import METRICS
from mmengine.logging import print_log

from ..base.packages import needed


@METRICS.register_module()
class NuScenesPartMetric(NuScenesMetric):
    """``NuScenesMetric`` over the key frames of its info file, a part of a split.

    nuscenes-devkit asserts that every frame of a split has predictions, in the end of a validation.
    Here it sees the tables of the frames that the info file lists. Scores of a part stand beside no
    published number.
    """

    def _evaluate_single(self, *args, **kwargs) -> dict[str, float]:
        tokens = {info['token'] for info in self.data_infos}
        print_log(f'Scoring {len(tokens)} key frames, those of {self.ann_file}', logger='current')
        with _tables_of(tokens):
            return super()._evaluate_single(*args, **kwargs)


def _part_of(tables: type, tokens: set[str], *args, **kwargs) -> Any:
    """Tables whose ``sample`` lists some key frames alone."""
    part = tables(*args, **kwargs)
    part.sample = [sample for sample in part.sample if sample['token'] in tokens]
    part._token2ind['sample'] = {sample['token']: row for row, sample in enumerate(part.sample)}
    return part


@contextmanager
def _tables_of(tokens: set[str]) -> Iterator[None]:
    """``nuscenes.NuScenes``, which mmdet3d looks up for each evaluation, reads these frames."""
    nuscenes = needed('nuscenes')
    whole = nuscenes.NuScenes
    nuscenes.NuScenes = partial(_part_of, whole, tokens)
    try:
        yield
    finally:
        nuscenes.NuScenes = whole
