"""Which scenes meet in a batch, and how they are loaded."""

from . import augmentation
from .cross_sample_batch_sampler import CrossSampleBatchSampler
from .loading import (
    AddPointIdentity,
    LoadPointsChecked,
    LoadSegAnnotationsChecked,
    check_data_root,
)
from .scene_statistics import SceneStatistics, scene_statistics

__all__ = [
    'AddPointIdentity',
    'CrossSampleBatchSampler',
    'LoadPointsChecked',
    'LoadSegAnnotationsChecked',
    'SceneStatistics',
    'augmentation',
    'check_data_root',
    'scene_statistics',
]
