"""What the augmentations ask of their arguments."""


def check_probability(**values: float) -> None:
    """Refuse anything but numbers in [0, 1].

    Raises:
        ValueError: Naming the argument.
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f'{name} must be a probability in [0, 1], got {name}={value}')
