"""Docstrings have one form: shape letters by that name, entries that begin like sentences."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ('projects', 'studies', 'benchmarks')
    for path in sorted((ROOT / folder).rglob('*.py'))
]
ENTRY = re.compile(r'(\*{0,2}\w+): (\S+)')  # name: first word
NAMES = {'tau', 'spconv', 'x_min', 'nuScenes-lidarseg'}  # never begin with a capital


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ''


def first_words(docstring: str) -> Iterator[tuple[str, str]]:
    """Name and first word of every entry of the sections that list things by name."""
    inside = False
    for line in docstring.splitlines():
        if line and not line.startswith(' '):
            inside = line in ('Args:', 'Attributes:', 'Raises:')
        elif inside and line[4:5].strip():  # not the second line of an entry
            found = ENTRY.match(line[4:])
            if found:
                yield found[1], found[2].rstrip('.,;:')


def small(word: str) -> bool:
    """Whether a word begins in lower case and is neither a letter of the equations nor a name."""
    letter = len(word) == 1 and word != 'a'
    return word[0].islower() and not letter and word not in NAMES


def test_the_check_sees_what_it_is_for():
    text = (
        'Do.\n\nArgs:\n    out: folder to\n        make: it.\n    c: g, a\n\nReturns:\n    x: a b'
    )
    assert list(first_words(text)) == [('out', 'folder'), ('c', 'g')]
    assert [small(word) for word in ('folder', 'a', 'Folder', '``x``', 'g', 'tau', '0-d')] == [
        True, True, False, False, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize('folder', ['projects', 'studies', 'benchmarks'])
def test_entries_begin_like_sentences(folder):
    found = [
        f'{path.relative_to(ROOT)}: {name}: {word}'
        for path in FILES
        if path.is_relative_to(ROOT / folder)
        for docstring in docstrings(path)
        for name, word in first_words(docstring)
        if small(word)
    ]
    assert found == []


def test_shape_letters_have_one_name():
    other = re.compile(r'^ *(Shapes|Letters|Shape letter|Axes):', re.MULTILINE)
    found = [path for path in FILES if any(map(other.search, docstrings(path)))]
    assert [str(path.relative_to(ROOT)) for path in found] == []
    named = [path for path in FILES if 'Shape letters: ' in next(docstrings(path))]
    assert len(named) > 50  # the rule is followed, not void
