"""Data of an experiment: made or found once, then every config is pointed at it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.base.provenance import digest
from studies.runs import ROOT, Runs

MAKER = ROOT / 'tools' / 'make_mini_data.py'


class MiniData(NamedTuple):
    """What ``make_mini_data.py`` is to write."""

    name: str  # of the folder, and in messages
    words: tuple[str, ...]  # of the command line; ``{count}`` stands for how many
    makers: tuple[str, ...]  # files below ``projects`` whose change makes the data stale


ROOMS = MiniData('rooms', ('scannet', '--scenes', '{count}'), ('MiniScenes/rooms/*.py',))
STREETS = MiniData(
    'streets',
    ('nuscenes', '--scenes', '{count}', '--scans', '3', '--period', '2', '--azimuth-steps', '360'),
    ('MiniScenes/streets/*.py',),
)
FRAMES = MiniData(
    'frames',
    ('kitti', '--frames', '{count}'),
    ('MiniScenes/streets/*.py', 'SRKD/datasets/infos/*.py'),
)


def make_data(runs: Runs, data: MiniData, count: int, seed: int) -> tuple[Path, str]:
    """Write mini data as a step of an experiment.

    Args:
        runs: Runs the step.
        data: What is written.
        count: Number of rooms, streets or frames.
        seed: Seed of the data, independent of any training's.

    Returns:
        Its data root and the key of the step.
    """
    words = [word.format(count=count) for word in (*data.words, '--seed', str(seed))]
    return _make(runs, data, words, f'{count} mini {data.name}')


def data_of_words(words: Sequence[str]) -> MiniData:
    """What a command line of ``make_mini_data.py`` writes.

    Raises:
        UsageError: If its first word is no layout.
    """
    for data in (ROOMS, STREETS, FRAMES):
        if list(words[:1]) == list(data.words[:1]):
            return data
    known = ', '.join(data.words[0] for data in (ROOMS, STREETS, FRAMES))
    raise UsageError(f'data.make must begin with one of {known}, but got {list(words[:1])}')


def make_planned_data(runs: Runs, words: Sequence[str]) -> tuple[Path, str]:
    """Write the data of a plan; returns its data root and the key of the step."""
    return _make(runs, data_of_words(words), list(words), f'data: {" ".join(words)}')


def planned_key(words: Sequence[str]) -> str:
    """Digest of the data of a plan: the words, and the code that writes it."""
    return _key(data_of_words(words), list(words))


def _key(data: MiniData, words: list[str]) -> str:
    folder = ROOT / 'projects'
    makers = [path for pattern in data.makers for path in sorted(folder.glob(pattern))]
    return digest(data.name, words, [path.read_text() for path in makers])


def _make(runs: Runs, data: MiniData, words: list[str], title: str) -> tuple[Path, str]:
    root = runs.root.resolve() / 'data' / data.name
    key = _key(data, words)
    runs.step(
        'data',
        title,
        [sys.executable, str(MAKER), *words, '--out', str(root)],
        key,
        lambda folder: next((folder / data.name).glob('*_infos_val.pkl'), None),
        resumed=['--force'],  # what an interrupted start left is replaced
    )
    return root, key


def found_data(root: Path) -> tuple[Path, str]:
    """A data set that is there already: its root, and a key that follows its info files.

    Raises:
        FileMissingError: If there are no info files.
    """
    infos = sorted(root.glob('*_infos_*.pkl'))
    if not infos:
        raise FileMissingError(f'{root} has no *_infos_*.pkl, expected the root of a data set')
    return root.resolve(), digest(*[path.read_bytes().hex() for path in infos])
