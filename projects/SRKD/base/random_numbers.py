"""Random numbers that follow from a few integers and from nothing else."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping
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


def random_state() -> dict:
    """What ``random``, numpy and torch (CPU, and the present GPU) go on to draw from.

    Plain containers, arrays and tensors, for :func:`restore_random_state`.

    Example:
        >>> state = random_state()
        >>> one = random.random(), torch.rand(2).tolist()
        >>> restore_random_state(state)
        >>> (random.random(), torch.rand(2).tolist()) == one
        True
    """
    state = dict(python=random.getstate(), numpy=np.random.get_state(), torch=torch.get_rng_state())
    if torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: Mapping) -> None:
    """Draw from now on what was drawn after :func:`random_state`, on a GPU where there is one."""
    random.setstate(state['python'])
    np.random.set_state(state['numpy'])
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


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
