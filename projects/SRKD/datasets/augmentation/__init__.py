"""Augmentations of the PTv3 recipes that MMDetection3D lacks.

All work on whole points: colors, identity columns (``AddPointIdentity``) and point-wise masks stay
with their point. They draw from numpy's global generator, as mmdet3d's own do, which is
seeded for each sample. Letters: n points, D columns of a point.
"""

from .chromatic import ChromaticAutoContrast, ChromaticJitter, ChromaticTranslation
from .elastic import ElasticDistortion
from .mixing import Mix3D
from .placement import CenterShift, RandomTilt
from .selection import GridSamplePoints, RandomPointDropout, SphereCrop

__all__ = [
    'CenterShift',
    'ChromaticAutoContrast',
    'ChromaticJitter',
    'ChromaticTranslation',
    'ElasticDistortion',
    'GridSamplePoints',
    'Mix3D',
    'RandomPointDropout',
    'RandomTilt',
    'SphereCrop',
]
