"""The demos of ``tools`` as modules, and what their reports say."""

import importlib.util
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1] / 'tools'


def load(name):
    """A file of ``tools`` as a module."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report_rows(text):
    """The table of a report: network -> title -> cell."""
    lines = [line for line in text.splitlines() if line.startswith('| ')]
    titles, *rows = ([cell.strip() for cell in line.strip('|').split('|')] for line in lines)
    return {row[0]: dict(zip(titles[1:], row[1:])) for row in rows}
