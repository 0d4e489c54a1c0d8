"""Channel widths of one module's config, the teacher's and the student's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmdet3d.registry import MODELS

from ...base import UsageError

ROOTS = {2: 1.4, 4: 2.0, 8: 2.8, 16: 4.0}
"""Compression -> divisor of all widths, rounded as in PointDistiller's configs."""


class Width(NamedTuple):
    """Channels of one feature map."""

    teacher: int
    student: int


def divisor_of(compression: float | None = None, divisor: float | None = None) -> float:
    """What every width is divided by.

    Operations and parameters shrink with the square of the width, so ``compression`` names the
    square; the divisors of 2, 4, 8 and 16 are those of PointDistiller.

    Args:
        compression: Above 1; not needed where ``divisor`` is given.
        divisor: Taken as it is, at least 1; 1 keeps the widths.

    Raises:
        UsageError: If either is out of range or both are missing.

    Example:
        >>> divisor_of(8), divisor_of(9), divisor_of(8, divisor=3)
        (2.8, 3.0, 3)
    """
    if divisor is not None:
        if not divisor >= 1:
            raise UsageError(
                f'divisor must be at least 1, which keeps the widths, but got {divisor}'
            )
        return divisor
    if compression is None:
        raise UsageError('neither compression nor divisor is given, for example compression=4')
    if not compression > 1:
        raise UsageError(
            f'compression must be above 1, how many times smaller the student is, but got '
            f'{compression}: a half-width student is compression=4'
        )
    return ROOTS.get(compression, math.sqrt(compression))


def _pairs(before: Any, after: Any) -> Any:
    if isinstance(before, Sequence):
        return [_pairs(*both) for both in zip(before, after)]
    return None if before is None else Width(before, after)


class ModuleWidths:
    """Config of one module, whose widths become the student's.

    Args:
        cfg: Config of the teacher's module; edited.
        where: Its place in the detector, for messages.
        divisor: See :func:`divisor_of`.
    """

    def __init__(self, cfg: dict, where: str, divisor: float) -> None:
        self.cfg, self.where, self.divisor = cfg, where, divisor

    @property
    def type(self) -> str:
        """Name of its class without a scope."""
        kind = self.cfg['type']
        return kind.__name__ if inspect.isclass(kind) else kind.rpartition('.')[2]

    def __getitem__(self, key: str) -> Any:
        """An argument, or its default in the module's class."""
        if key in self.cfg:
            return self.cfg[key]
        kind = self.cfg['type']
        kind = kind if inspect.isclass(kind) else MODELS.get(kind)
        default = inspect.signature(kind).parameters[key].default
        if default is inspect.Parameter.empty:
            raise UsageError(f'{self.where}, a {self.type}, has no {key}, expected its widths')
        return default

    def child(self, key: str) -> ModuleWidths:
        """Return a module that is named within this one."""
        return ModuleWidths(self.cfg[key], f'{self.where}.{key}', self.divisor)

    def narrow(self, key: str) -> Any:
        """Divide the widths of an argument; returns a :class:`Width`, nested as the argument is.

        Raises:
            UsageError: If a width vanishes or is no multiple of the groups of a GroupNorm.
        """
        before = self[key]
        self.cfg[key] = after = self._divide(before, f'{self.where}.{key}')
        return _pairs(before, after)

    def follow(self, key: str, feed: Sequence[Width], stacked: bool = False) -> None:
        """Set an argument to the channels that enter.

        Args:
            key: An input width, or as many as ``feed`` has.
            feed: What enters.
            stacked: Whether an input may be a multiple: levels of height stacked in channels.

        Raises:
            UsageError: If the teacher's own config disagrees with what feeds it.
        """
        said = self[key]
        values = list(said) if isinstance(said, Sequence) else [said]
        levels = max(1, values[0] // feed[0].teacher) if stacked else 1
        entering = [Width(levels * width.teacher, levels * width.student) for width in feed]
        self.check(key, values, entering)
        student = [width.student for width in entering]
        self.cfg[key] = type(said)(student) if isinstance(said, Sequence) else student[0]

    def check(self, key: str, values: list[int], entering: Sequence[Width]) -> None:
        """Refuse a teacher whose config takes ``values`` where other channels enter."""
        expected = [width.teacher for width in entering]
        if values != expected:
            raise UsageError(
                f'{self.where}.{key} of the teacher takes {values} channels, but {expected} enter'
            )

    def _divide(self, value: Any, label: str) -> Any:
        if isinstance(value, Sequence):
            return type(value)(self._divide(each, label) for each in value)
        if value is None:
            return None
        # 126 / 1.4 is 90 only up to rounding
        width = math.floor(value / self.divisor + 1e-9)
        if width < 1:
            raise UsageError(
                f'{label} holds {value} channels, of which a division by {self.divisor:g} leaves '
                f'none, expected a divisor of at most {value}'
            )
        norm = self.cfg.get('norm_cfg') or {}
        groups = norm.get('num_groups', 1)
        if width % groups:
            raise UsageError(
                f'{label}: {value} / {self.divisor:g} gives {width} channels, which are not '
                f'divisible into the {groups} groups of its {norm["type"]}, expected a divisor '
                f'such as {value / max(groups, round(width / groups) * groups):g}'
            )
        return width
