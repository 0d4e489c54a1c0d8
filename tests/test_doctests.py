"""The examples in docstrings are true."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
MODULES = [
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for path in sorted((ROOT / 'projects').rglob('*.py'))
    if '>>> ' in path.read_text()
]


@pytest.mark.parametrize('name', MODULES)
def test_examples_are_true(name):
    torch.manual_seed(0)
    module = import_module(name.removesuffix('.__init__'))
    failed, tried = doctest.testmod(module)
    assert failed == 0 < tried
