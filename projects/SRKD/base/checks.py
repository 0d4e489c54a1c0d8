"""What arguments must be: refused by name and value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from .errors import UsageError


def check_positive(**values: float) -> None:
    """Refuse values that are not positive, naming the first.

    Raises:
        UsageError: With name and value.
    """
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f'{name} must be positive, but got {value}')


def check_count(**values: int) -> None:
    """Refuse values that are no whole number of at least one, naming the first.

    Raises:
        UsageError: With name and value.
    """
    for name, value in values.items():
        if isinstance(value, bool) or value != int(value) or value < 1:
            raise UsageError(f'{name} must be a whole number of at least 1, but got {value}')


def check_probability(**values: float) -> None:
    """Refuse anything but numbers in [0, 1].

    Raises:
        UsageError: Naming the argument.
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise UsageError(f'{name} must be a probability in [0, 1], but got {name}={value}')


def check_limits(**limits: tuple[float, float, float]) -> None:
    """Refuse values outside their limits.

    Args:
        limits: By name: value, least and greatest.

    Raises:
        UsageError: For the first value that lies outside.
    """
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise UsageError(f'{name} must lie between {low} and {high}, but got {value}')


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse an unknown name, suggesting the nearest known one.

    Raises:
        UsageError: With the choices.
    """
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.4)
        hint = f', nearest: {near[0]!r}' if near else ''
        raise UsageError(f'{name} must be one of {choices}, but got {value!r}{hint}')
