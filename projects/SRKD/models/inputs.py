"""What enters a network, column by column: a file that loads strictly may have seen other things.

Shape letters: n points, C columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from ..base import UsageError
from ..base.checks import check_choice
from .data_preprocessor import VoxelSegDataPreprocessor

WIDTHS = {
    'xyz': 3,  # meters
    'color': 3,  # red, green, blue in [0, 1]
    'signed_color': 3,  # in [-1, 1]
    'normal': 3,  # unit length
    'intensity': 1,  # in [0, 1]
}
"""Name of an input and its number of columns."""

_MADE_FROM = {'signed_color': 'color'}


def check_inputs(inputs: Sequence[str], place: str) -> tuple[str, ...]:
    """Refuse unknown names of inputs.

    Raises:
        UsageError: Naming the nearest.
    """
    for name in inputs:
        check_choice(place, name, WIDTHS)
    return tuple(inputs)


def width_of(inputs: Sequence[str]) -> int:
    """Columns of all inputs together.

    Example:
        >>> width_of(['signed_color', 'normal'])
        6
    """
    return sum(WIDTHS[name] for name in inputs)


def columns_of(inputs: Sequence[str], columns: Sequence[str]) -> dict[str, slice]:
    """Where each input stands among the columns of the points.

    Raises:
        UsageError: If the points lack one.
    """
    places, start = {}, 0
    for name in columns:
        places[name] = slice(start, start + WIDTHS[name])
        start += WIDTHS[name]
    lacking = [name for name in inputs if _MADE_FROM.get(name, name) not in places]
    if lacking:
        raise UsageError(
            f'inputs must be made of the columns {", ".join(columns)}, but got {lacking[0]}'
        )
    return {name: places[_MADE_FROM.get(name, name)] for name in inputs}


def is_choosing(preprocessor: Mapping) -> bool:
    """Whether the config is one of :class:`ChosenInputsPreprocessor`."""
    kind = preprocessor.get('type')
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, ChosenInputsPreprocessor)


@MODELS.register_module()
class ChosenInputsPreprocessor(VoxelSegDataPreprocessor):
    """``VoxelSegDataPreprocessor`` for a network that takes some columns of the points.

    Teacher and student see one cloud of points and may take different columns of it: the published
    networks of ScanNet take color and normals, without coordinates.

    Args:
        columns: What the pipeline's points hold, of :data:`WIDTHS`; xyz first.
        inputs: What the network takes, in its order; ``signed_color`` is made of ``color``.
        kwargs: As for :class:`VoxelSegDataPreprocessor`.

    Raises:
        UsageError: For an unknown name, an input that no column gives, or columns that do not begin
            with xyz.
    """

    def __init__(self, columns: Sequence[str], inputs: Sequence[str], **kwargs) -> None:
        super().__init__(**kwargs)
        self.columns = check_inputs(columns, 'columns of ChosenInputsPreprocessor')
        self.inputs = check_inputs(inputs, 'inputs of ChosenInputsPreprocessor')
        if self.columns[:1] != ('xyz',):
            raise UsageError(
                f'columns of ChosenInputsPreprocessor must begin with xyz, but got {self.columns}'
            )
        self._places = columns_of(self.inputs, self.columns)

    @torch.no_grad()
    def voxelize(self, points: list[Tensor], data_samples: list) -> dict[str, Tensor]:
        """Grid-sample a batch, then choose; see :meth:`VoxelSegDataPreprocessor.voxelize`.

        Raises:
            UsageError: If the points have another number of columns.
        """
        wanted = width_of(self.columns)
        for cloud in points:
            if cloud.shape[1] != wanted:
                raise UsageError(
                    f'points must have the {wanted} columns {", ".join(self.columns)}, but got '
                    f'{cloud.shape[1]}: see use_dim of the loader and AddNormals'
                )
        voxels = super().voxelize(points, data_samples)
        rows = voxels['voxels']
        parts = [
            rows[:, place] * 2 - 1 if name == 'signed_color' else rows[:, place]
            for name, place in self._places.items()
        ]
        return dict(voxels, voxels=torch.cat(parts, 1))
