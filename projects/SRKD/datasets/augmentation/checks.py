"""What the augmentations ask of their arguments."""

from ...base import UsageError


def check_probability(**values: float) -> None:
    """Refuse anything but numbers in [0, 1].

    Raises:
        UsageError: Naming the argument.
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise UsageError(f'{name} must be a probability in [0, 1], got {name}={value}')
