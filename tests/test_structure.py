"""The shape of the house: a room stands above what it uses, none is much larger than the rest."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'projects' / 'SRKD'
# From the ground floor up; a room may import those before it alone.
ROOMS = (
    'base', 'ops', 'losses', 'backbones', 'models', 'datasets', 'evaluation', 'visualization',
    'compat', 'distill', 'preflight', 'engine', 'analysis', 'export', 'commands',
)  # fmt: skip


def imports(path: Path, whole: bool = True) -> Iterator[tuple[str, ...]]:
    """Dotted names, in parts, that a file imports; ``whole``: inside functions, too."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree) if whole else tree.body:
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split('.')) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            named = (*base, *(node.module.split('.') if node.module else ()))
            yield from ((*named, alias.name) for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob('*.py'))


def test_every_folder_of_the_package_is_a_room_of_the_plan():
    there = {path.name for path in PACKAGE.iterdir() if (path / '__init__.py').exists()}
    assert there == set(ROOMS)


def test_every_folder_of_tests_mirrors_a_room_or_a_folder_of_the_repository():
    there = {path.parent.relative_to(ROOT / 'tests').parts[0]
             for path in (ROOT / 'tests').glob('test_*/**/test_*.py')}  # fmt: skip
    others = ('mini_scenes', 'docs', 'tools', 'studies', 'benchmarks')
    assert there == {f'test_{name}' for name in (*ROOMS, *others)}


def test_no_arrow_runs_up():
    up = []
    for path in files_below(PACKAGE):
        if path.parent == PACKAGE:
            continue
        for name in imports(path):
            other = name[2] if name[:2] == ('projects', 'SRKD') and len(name) > 2 else None
            if other in ROOMS and ROOMS.index(other) > ROOMS.index(room(path)):
                up.append(f'{path.relative_to(PACKAGE)} -> {".".join(name)}')
    assert up == []


def test_no_files_import_each_other_in_a_circle():
    modules = {module(path): path for path in files_below(PACKAGE)}
    uses = {
        name: {
            found
            for parts in imports(path, whole=False)
            for found in ['.'.join(parts), '.'.join(parts[:-1])]
            if found in modules and found != name
        }
        for name, path in modules.items()
    }
    while True:  # take away what uses nothing that is left
        free = {name for name, used in uses.items() if not used & uses.keys()}
        if not free:
            break
        uses = {name: used for name, used in uses.items() if name not in free}
    assert uses == {}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def test_the_package_needs_neither_the_procedural_scenes_nor_the_checkout():
    for path in files_below(PACKAGE):
        for name in imports(path):
            assert name[0] not in ('studies', 'benchmarks', 'tests', 'tools'), path
            assert name[:2] != ('projects', 'MiniScenes'), path
    for path in files_below(ROOT / 'projects' / 'MiniScenes'):
        assert all(name[0] != 'studies' for name in imports(path)), path


def test_no_room_and_no_file_is_much_larger_than_the_rest():
    lines = {path: len(path.read_text().splitlines()) for path in files_below(PACKAGE)}
    folders = Counter()
    for path, count in lines.items():
        folders[path.parent] += count
    largest, count = folders.most_common(1)[0]
    assert count <= 0.15 * sum(lines.values()), largest
    longest = max(lines, key=lines.get)
    assert lines[longest] <= 300, longest
    assert 60 <= median(lines.values()) <= 120
