import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'benchmarks'


@pytest.fixture
def benchmark(monkeypatch):
    """Import a file of ``benchmarks`` by name, as a script there would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:  # so short names do not stay in other tests' way
        if (FOLDER / f'{name}.py').exists():
            del sys.modules[name]
