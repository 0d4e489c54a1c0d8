"""Generators that follow from integers."""

import random

import numpy as np
import pytest
import torch

from projects.SRKD.base import seed_process, seeded
from projects.SRKD.base.random_numbers import random_state, restore_random_state


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_each_generator_follows_from_all_numbers():
    draws = {}
    for numbers in [(1,), (1, 1), (2, 1), (1, 0, 1), (1, 2**40)]:
        seed_process(*numbers)
        draws[numbers] = draw()
        seed_process(*numbers)
        assert draw() == draws[numbers]
    for values in zip(*draws.values()):
        assert len(set(values)) == len(draws)


def test_states_come_back_also_after_an_error():
    seed_process(5)
    expected = draw()
    seed_process(5)
    with pytest.raises(KeyError), seeded(6):
        assert draw() != expected
        raise KeyError
    assert draw() == expected


def test_a_state_repeats_what_was_drawn_after_it():
    seed_process(5)
    random.gauss(0, 1), np.random.randn()  # these keep a second number for later
    state = random_state()
    expected = draw(), random.gauss(0, 1), np.random.randn()
    seed_process(6)
    restore_random_state(state)
    assert (draw(), random.gauss(0, 1), np.random.randn()) == expected
