"""What every loss does with its inputs before the mathematics starts.

Shape letters: N points, C_s and C_t channels of student and teacher.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from ..base import UsageError

Result = TypeVar('Result')


def full_precision(function: Callable[..., Result]) -> Callable[..., Result]:
    """Make ``function(student, teacher, ...)`` immune to half precision.

    Autocast is off inside, half inputs are raised to float32, both inputs share one dtype (float64
    if either is float64) and the teacher is detached. Shapes are checked on the way.
    """

    @functools.wraps(function)
    def wrapper(student: Tensor, teacher: Tensor, *args, **kwargs) -> Result:
        check_rows(student, teacher)
        dtype = torch.promote_types(student.dtype, teacher.dtype)
        dtype = torch.promote_types(dtype, torch.float32)
        with torch.autocast(student.device.type, enabled=False):
            return function(student.to(dtype), teacher.detach().to(dtype), *args, **kwargs)

    return wrapper


def connected_zero(student: Tensor) -> Tensor:
    """Return a 0-d zero whose gradient is zeros, so that DDP sees every parameter used.

    ``student.sum() * 0`` would turn an infinite feature into NaN; an empty slice does not.

    Example:
        >>> connected_zero(torch.tensor([[float('inf')]]))
        tensor(0.)
    """
    dtype = torch.promote_types(student.dtype, torch.float32)
    return student[:0].to(dtype).sum()


def check_rows(student: Tensor, teacher: Tensor) -> None:
    """Refuse features that are not (N, C_s) and (N, C_t).

    Raises:
        UsageError: With both shapes.
    """
    if student.dim() != 2 or teacher.dim() != 2:
        raise UsageError(
            'student and teacher must be (N, C_s) and (N, C_t), but got '
            f'{tuple(student.shape)} and {tuple(teacher.shape)}'
        )
    if len(student) != len(teacher):
        raise UsageError(
            f'student has {len(student)} rows but teacher has {len(teacher)}; '
            'row i of both must describe the same point'
        )


def check_same_width(student: Tensor, teacher: Tensor, what: str, cure: str) -> None:
    """Refuse C_s != C_t where a loss compares column by column.

    Raises:
        UsageError: With both widths and the cure.
    """
    if student.shape[1] != teacher.shape[1]:
        raise UsageError(
            f'student has {student.shape[1]} {what} but teacher has {teacher.shape[1]}; {cure}'
        )


def check_ids(name: str, ids: Tensor, num_rows: int) -> None:
    """Refuse ids that are not one integer >= -1 per row.

    Raises:
        UsageError: With what came.
    """
    if ids.dtype.is_floating_point or ids.dtype.is_complex or ids.dtype == torch.bool:
        raise UsageError(f'{name} must hold integer ids, but got {ids.dtype}')
    if ids.shape != (num_rows,):
        raise UsageError(
            f'{name} must have shape ({num_rows},), one id per row, but got {tuple(ids.shape)}'
        )
    if num_rows and int(ids.min()) < -1:
        raise UsageError(
            f'{name} must hold ids >= 0, or -1 to leave a row out, but got {int(ids.min())}'
        )


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive and finite.

    Raises:
        UsageError: With what came.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f'temperature must be positive and finite, but got {temperature}')
