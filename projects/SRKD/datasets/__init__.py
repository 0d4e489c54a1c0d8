"""Which scenes meet in a batch, and how they are loaded."""

from .cross_sample_batch_sampler import CrossSampleBatchSampler
from .scene_statistics import SceneStatistics, scene_statistics

__all__ = ['CrossSampleBatchSampler', 'SceneStatistics', 'scene_statistics']
