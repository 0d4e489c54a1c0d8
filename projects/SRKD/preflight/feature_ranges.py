"""The columns of a scan against what its data set says they hold."""

from __future__ import annotations

from mmdet3d.datasets.transforms import ObjectSample
from mmengine.runner import Runner

from ..datasets import LoadPointsFromFile
from ..datasets.steps import steps_of
from .built import built_datasets

# Class of the data set -> range by column of its files. Others are judged by size alone.
FEATURE_RANGES = {
    'KittiDataset': {3: (0.0, 1.0)},  # reflectance
    'SemanticKittiDataset': {3: (0.0, 1.0)},  # remission
    'NuScenesDataset': {3: (0.0, 255.0)},  # intensity
    'NuScenesLidarSegDataset': {3: (0.0, 255.0)},
    'ScanNetSegDataset': dict.fromkeys((3, 4, 5), (0.0, 255.0)),  # red, green, blue
    'ScanNetEverySceneDataset': dict.fromkeys((3, 4, 5), (0.0, 255.0)),
    'S3DISSegDataset': dict.fromkeys((3, 4, 5), (0.0, 255.0)),
}


def tell_feature_ranges(runner: Runner) -> None:
    """Tell the loading steps of a run what the columns of their data set may hold.

    They then refuse intensities of another scale and files of other columns, scan by scan. A
    config says otherwise by ``feature_ranges`` of its ``LoadPointsFromFile``.
    """
    for _, dataset in built_datasets(runner):
        ranges = FEATURE_RANGES.get(type(dataset).__name__)
        steps = list(steps_of(dataset.pipeline))
        steps += [step.db_sampler.points_loader for step in steps if isinstance(step, ObjectSample)]
        for step in steps:
            if isinstance(step, LoadPointsFromFile) and step.feature_ranges is None:
                step.feature_ranges = ranges
