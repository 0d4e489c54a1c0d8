"""Changes of color, for points with colors of 0 to 255: place them before normalization.

Source: the ScanNet recipe of PTv3 (Pointcept) and SRKD's release, after Choy et al. 2019
(MinkowskiEngine), sec. 6.
"""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_positive, check_probability

_WHITE = 255.0


class _OnColor(BaseTransform):
    """Change the colors of a scan with probability ``p``."""

    def __init__(self, p: float) -> None:
        check_probability(p=p)
        self.p = p

    def transform(self, results: dict) -> dict:
        """Change ``points``, ``(n, D)`` with colors of 0 to 255.

        Raises:
            UsageError: If the points have no color, or one that was normalized already.
        """
        points = results['points']
        if points.attribute_dims is None or 'color' not in points.attribute_dims:
            raise UsageError(
                f'{type(self).__name__} needs colored points, but got '
                f'{sorted(points.attribute_dims or {}) or "no attributes"}: load them with '
                'use_color=True'
            )
        if len(points) and 0 < points.color.max() <= 1:
            raise UsageError(
                f'{type(self).__name__} needs colors of 0 to 255, the largest is '
                f'{points.color.max():.3g}: place it before NormalizePointsColor'
            )
        if len(points) and np.random.rand() < self.p:
            points.color = self.change(points.color).clamp(0, _WHITE)
        return results

    def change(self, color: Tensor) -> Tensor:
        """Return other colors, ``(n, 3)``."""
        raise NotImplementedError


@TRANSFORMS.register_module()
class ChromaticAutoContrast(_OnColor):
    """Stretch each channel to 0 .. 255 and mix the result with the scan by a random share.

    Args:
        p: Probability of a change.
        blend: Share of the stretched colors; None draws it from [0, 1).
    """

    def __init__(self, p: float = 0.2, blend: float | None = None) -> None:
        super().__init__(p)
        if blend is not None:
            check_probability(blend=blend)
        self.blend = blend

    def change(self, color: Tensor) -> Tensor:
        """Return other colors, ``(n, 3)``."""
        low, high = color.amin(0), color.amax(0)  # (3,)
        stretched = (color - low) * (_WHITE / (high - low).clamp_min(1e-6))
        stretched = torch.where(high > low, stretched, color)  # one color: nothing to stretch
        blend = np.random.rand() if self.blend is None else self.blend
        return (1 - blend) * color + blend * stretched


@TRANSFORMS.register_module()
class ChromaticTranslation(_OnColor):
    """Add one random shift to each channel of the whole scan.

    Args:
        p: Probability of a change.
        ratio: Largest shift, as a share of 255.
    """

    def __init__(self, p: float = 0.95, ratio: float = 0.05) -> None:
        super().__init__(p)
        check_positive(ratio=ratio)
        self.ratio = ratio

    def change(self, color: Tensor) -> Tensor:
        """Return other colors, ``(n, 3)``."""
        shift = np.random.uniform(-1, 1, 3) * _WHITE * self.ratio
        return color + color.new_tensor(shift)


@TRANSFORMS.register_module()
class ChromaticJitter(_OnColor):
    """Add normal noise to every color of every point.

    Args:
        p: Probability of a change.
        std: Standard deviation, as a share of 255.
    """

    def __init__(self, p: float = 0.95, std: float = 0.05) -> None:
        super().__init__(p)
        check_positive(std=std)
        self.std = std

    def change(self, color: Tensor) -> Tensor:
        """Return other colors, ``(n, 3)``."""
        noise = np.random.standard_normal(color.shape) * _WHITE * self.std
        return color + color.new_tensor(noise)
