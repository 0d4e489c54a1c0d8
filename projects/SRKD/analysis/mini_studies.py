"""Which networks a study compares, on which data."""

from pathlib import Path
from typing import NamedTuple

from .mini_data import ROOMS, STREETS, MiniData
from .runs import ROOT

CONFIGS = ROOT / 'configs' / 'mini'


class Row(NamedTuple):
    """A network to train, and the row of the same student alone."""

    name: str
    config: Path
    alone: str


class Study(NamedTuple):
    """One teacher, its students, and the data they share."""

    title: str
    teacher: Path
    rows: list[Row]  # a student is tested with the config of its row alone
    data: MiniData | None  # None: given by --data-root
    count: int = 0


def _rows(sort: str, students: dict[str, str]) -> list[Row]:
    """Each student alone, with KD and with SRKD; ``students``: prefix of the name -> config."""
    rows = []
    for prefix, student in students.items():
        for method in ('alone', 'kd', 'srkd'):
            taught = '' if method == 'alone' else f'{method}_ptv3-mini-t_'
            file = CONFIGS / f'{taught}{student}_1xb4-15e_{sort}.py'
            rows.append(Row(f'{prefix}{method}', file, f'{prefix}alone'))
    return rows


_TWO = {'ptv3_': 'ptv3-mini-s', 'minkunet_': 'minkunet-mini'}
STUDIES = {
    'rooms': Study(
        'Mini rooms',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py',
        _rows('mini-scannet-seg', {'': 'ptv3-mini-s'}),
        ROOMS,
        120,
    ),
    'streets': Study(
        'Mini streets',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-nuscenes-lidarseg.py',
        _rows('mini-nuscenes-lidarseg', _TWO),
        STREETS,
        16,
    ),
    'pandaset': Study(
        'Twelve real frames of one PandaSet drive, the last three for validation',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-pandaset.py',
        _rows('mini-pandaset', _TWO),
        None,
    ),
    'semantickitti': Study(
        'Two real scans of SemanticKITTI, one of them for validation',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-semantickitti-frames.py',
        _rows('mini-semantickitti-frames', _TWO),
        None,
    ),
}


def named_row(text: str, study: Study) -> Row:
    """Read ``NAME`` or ``NAME=CONFIG``; the latter is another way to train the first student.

    Raises:
        ValueError: If the name is unknown and has no config.
    """
    name, _, config = text.partition('=')
    known = {row.name: row for row in study.rows}
    if config:
        return Row(name, Path(config).resolve(), study.rows[0].name)
    if name not in known:
        raise ValueError(
            f'{name!r} is none of {", ".join(known)}: write {name}=CONFIG to add a network'
        )
    return known[name]
