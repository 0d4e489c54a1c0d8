"""Random numbers that follow from a few integers and from nothing else."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_process(*numbers: int) -> None:
    """Seed ``random``, numpy and torch (all devices) from integers >= 0.

    Trailing zeros do not count: (1, 0) seeds as (1,) does.
    """
    python, array, tensor = _seeds(numbers)
    random.seed(python)
    np.random.seed(array)
    torch.manual_seed(tensor)


def generator_states() -> bytes:
    """What transforms draw from: equal as long as nothing was drawn.

    Example:
        >>> before = generator_states()
        >>> before == generator_states(), random.random() < 1, before == generator_states()
        (True, True, False)
    """
    return pickle.dumps(
        (random.getstate(), np.random.get_state(), torch.get_rng_state().numpy().tobytes())
    )


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed what transforms draw from (torch: on the CPU) and put the states back afterwards.

    Args:
        numbers: Integers >= 0; trailing zeros do not count.

    Example:
        >>> with seeded(3, 1):
        ...     one = random.random()
        >>> with seeded(3, 1):
        ...     print(random.random() == one)
        True
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    python, array, tensor = _seeds(numbers)
    random.seed(python)
    np.random.seed(array)
    torch.default_generator.manual_seed(tensor)  # torch.manual_seed would seed GPUs as well
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _seeds(numbers: tuple[int, ...]) -> list[int]:
    return np.random.SeedSequence(numbers).generate_state(3).tolist()
