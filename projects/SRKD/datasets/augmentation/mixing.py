"""Two scans in one."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet3d.registry import TRANSFORMS

from ...base import UsageError
from ...base.checks import check_probability
from .selection import POINT_MASKS


@TRANSFORMS.register_module()
class Mix3D(BaseTransform):
    """Lay another scan of the data set over this one.

    Source: Nekrasov et al. 2021 (Mix3D); the recipes of PTv3 mix with probability 0.8. There, two
    augmented scans of a batch become one; here a second scan is drawn from the data set, so the
    batch keeps its size, as with mmdet3d's ``LaserMix`` and ``PolarMix``. Put it behind the
    augmentations and ``CenterShift``, which must be in ``pre_transform`` too: scans are laid over
    each other where their coordinates say.

    Args:
        pre_transform: Transforms of the second scan, loading included.
        p: Probability of a second scan.
    """

    def __init__(self, pre_transform: Sequence[dict], p: float = 0.8) -> None:
        check_probability(p=p)
        self.pre_transform = Compose(pre_transform)
        self.p = p

    def transform(self, results: dict) -> dict:
        """Append points and point-wise masks of a second scan.

        Raises:
            UsageError: If ``results`` has no ``dataset`` (the data set is in test mode), or one
                scan has a mask that the other lacks.
        """
        if 'dataset' not in results:
            raise UsageError(
                'Mix3D needs the data set to draw a second scan from, which it has in training '
                'only: leave it out of pipelines with test_mode=True'
            )
        if np.random.rand() >= self.p:
            return results
        dataset = results['dataset']
        other = dataset.get_data_info(np.random.randint(len(dataset)))
        other['dataset'] = dataset
        other = self.pre_transform(other)
        results['points'] = results['points'].cat([results['points'], other['points']])
        for name in POINT_MASKS:
            if (name in results) != (name in other):
                raise UsageError(
                    f'Mix3D found {name} in one of two scans: pre_transform must load what the '
                    'pipeline before it loads'
                )
            if name in results:
                results[name] = np.concatenate([results[name], other[name]])
        return results
