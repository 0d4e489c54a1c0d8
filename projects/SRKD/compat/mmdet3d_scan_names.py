"""A batch that a network cannot take is told with the names of its scans.

Breaks: a training step of a detector whose scans have one voxel together ends in torch's "Expected
    more than 1 value per channel when training", and nobody knows which scans it was; what our
    backbones refuse (a stray point far away, too few voxels) is found where there are no names.
Where: mmdet3d 1.4.0 ``models/detectors/base.py`` and ``models/segmentors/base.py``: ``forward``,
    the only place that sees every network's inputs beside the samples.
Delete when: both name the scans of a batch that fails.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import TooFewVoxelsError, naming_scans

_TORCH = 'Expected more than 1 value per channel'  # batch norm in training, one row


def _told(original: Callable) -> Callable:

    @wraps(original)
    def forward(self, *args, **kwargs):
        try:
            return original(self, *args, **kwargs)
        except ValueError as error:
            if not str(error).startswith(_TORCH):
                raise
            raise TooFewVoxelsError(
                'batch norm in training needs at least 2 voxels at every stage, but got 1: use '
                'larger clouds, more of them per batch, or fewer stages'
            ) from None

    return forward


def apply() -> bool:
    """Wrap the forward of all detectors and segmentors."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.models import Base3DDetector
    from mmdet3d.models.segmentors import Base3DSegmentor

    for kind in (Base3DDetector, Base3DSegmentor):
        if not hasattr(kind.forward, 'original'):
            kind.forward = naming_scans(_told(kind.forward))
    return True
