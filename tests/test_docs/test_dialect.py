"""Messages have one form, and words one spelling, wherever they stand."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ('projects', 'tools', 'studies')
FOLDERS = (*CODE, 'configs', 'benchmarks', 'tests', 'docs')
# Old names that still work are spelled as they were.
OLD_NAMES = (
    'CHANGELOG.md',
    'projects/SRKD/moved_modules.py',
    'projects/SRKD/losses/__init__.py',
    'tests/test_docs/test_dialect.py',
)
STEMS = 'normal|initial|standard|synchron|vector|serial|optim|voxel|quant|general|visual'
BRITISH = re.compile(
    r'\b((un)?labelled|modell\w+|colour\w*|behaviour\w*|neighbour\w*|centres?|kerb\w*|grey|learnt|'
    rf'distils?|({STEMS})is(e|ed|es|ing|ation)\w*)\b',
    re.IGNORECASE,
)
# a transform that got a scan of another kind says so in its own words
DEPARTING = re.compile(r'(?<!but) got (?!a scan|\{\} labels)|\bshould be\b|did you mean')


def messages(code: str) -> list[str]:
    """What is raised, with ``{}`` for what is filled in."""
    raised = [node.exc for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Raise)]
    texts = [text for call in raised if isinstance(call, ast.Call) for text in call.args]
    return [
        ''.join(part.value if isinstance(part, ast.Constant) else '{}' for part in text.values)
        if isinstance(text, ast.JoinedStr)
        else str(text.value)
        for text in texts
        if isinstance(text, (ast.JoinedStr, ast.Constant))
    ]


def test_words_are_spelled_the_american_way():
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob('*')]
    found = {}
    for path in [*paths, *ROOT.glob('*.md')]:
        name = str(path.relative_to(ROOT))
        if path.suffix in ('.py', '.md', '.sh') and name not in OLD_NAMES:
            found[name] = [match.group() for match in BRITISH.finditer(path.read_text())]
    assert len(found) > 500
    assert not {name: words for name, words in found.items() if words}


def test_messages_say_what_must_be_and_what_came():
    paths = [path for folder in CODE for path in (ROOT / folder).rglob('*.py')]
    found = [(path.name, text) for path in paths for text in messages(path.read_text())]
    assert sum(', but got' in text for _, text in found) > 50
    assert not [pair for pair in found if DEPARTING.search(pair[1])]


def test_what_departs_is_found():
    (text,) = messages("raise UsageError(f'{name} should be positive, got {value}')")
    assert text == '{} should be positive, got {}' and DEPARTING.search(text)
    assert DEPARTING.search('a must be positive, got {}')
    assert not DEPARTING.search('a must be positive, but got {}')
    assert BRITISH.search('a kerb') and BRITISH.search('normalised')
    assert not BRITISH.search('colors, otherwise a precise center, distilled, synchronized')
