"""Which networks a study compares, on which data."""

from pathlib import Path
from typing import NamedTuple

from projects.SRKD.base import UsageError
from studies.metrics import KITTI, MACC, MIOU, VIEWS, Metric, kitti_ap
from studies.mini_data import FRAMES, ROOMS, STREETS, MiniData
from studies.runs import ROOT

CONFIGS = ROOT / 'configs' / 'mini'


class Row(NamedTuple):
    """A network to train, and the row of the same student alone."""

    name: str
    config: Path
    alone: str
    beside: tuple[str, ...] = ()  # further rows it is compared with


class Study(NamedTuple):
    """One teacher, its students, and the data they share."""

    title: str
    teacher: Path
    rows: list[Row]  # a student is tested with the config of its row alone
    data: MiniData | None  # None: given by --data-root
    count: int = 0
    compared: str = 'students alone, with KD, with SRKD'
    metrics: tuple[Metric, ...] = (MIOU, MACC)
    paired: int = 1  # of the metrics, compared seed by seed
    facts: tuple[Metric, ...] = ()  # of the data, not of a network


def _rows(sort: str, students: dict[str, str]) -> list[Row]:
    """Each student alone, with KD and with SRKD; ``students``: prefix of the name -> config."""
    rows = []
    for prefix, student in students.items():
        for method in ('alone', 'kd', 'srkd'):
            taught = '' if method == 'alone' else f'{method}_ptv3-mini-t_'
            file = CONFIGS / f'{taught}{student}_1xb4-15e_{sort}.py'
            rows.append(Row(f'{prefix}{method}', file, f'{prefix}alone'))
    return rows


def _pillars(sort: str, *methods: str) -> list[Row]:
    """PointPillars with half the widths alone and with each method, ``pointdistiller-NAME``."""
    student, end = 'pointpillars-mini-4x', f'_1xb4-20e_{sort}.py'
    rows = [Row('alone', CONFIGS / f'{student}{end}', 'alone')]
    for method in methods:
        file = CONFIGS / f'{method}_pointpillars-mini_{student}{end}'
        rows.append(Row(method.removeprefix('pointdistiller-'), file, 'alone'))
    return rows


def _cached() -> list[Row]:
    """The student of the rooms alone and with SRKD: teacher live, cached, cached in four views."""
    alone, _, srkd = _rows('mini-scannet-seg', {'': 'ptv3-mini-s'})

    def variant(name: str, of: Row, old: str, new: str, *beside: str) -> Row:
        config = of.config.with_name(of.config.name.replace(old, new, 1))
        return Row(name, config, alone.name, beside)

    return [
        alone,
        srkd,
        variant('srkd-cached', srkd, 'srkd', 'srkd-cached', srkd.name),
        variant('alone-views', alone, 'mini-s', 'mini-s-views'),
        variant('srkd-views', srkd, 'srkd', 'srkd-views', srkd.name, 'alone-views'),
    ]


_TWO = {'ptv3_': 'ptv3-mini-s', 'minkunet_': 'minkunet-mini'}
STUDIES = {
    'rooms': Study(
        'Mini rooms',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py',
        _rows('mini-scannet-seg', {'': 'ptv3-mini-s'}),
        ROOMS,
        120,
    ),
    'cache': Study(
        'Mini rooms',
        CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py',
        _cached(),
        ROOMS,
        120,
        compared='student alone and with SRKD; teacher live, cached, cached in four views',
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
    'kitti': Study(
        'Mini KITTI',
        CONFIGS / 'pointpillars-mini_1xb4-20e_mini-kitti-3d.py',
        _pillars('mini-kitti-3d', 'pointdistiller', 'pointdistiller-released'),
        FRAMES,
        120,
        compared='PointPillars 4x alone, with PointDistiller, with its released form; AP40 of '
        'moderate objects',
        metrics=(
            *(kitti_ap('Overall', view) for view in VIEWS[::-1]),
            *(kitti_ap(name, '3D') for name in ('Car', 'Pedestrian', 'Cyclist')),
        ),
        paired=2,
    ),
    'kitti-frames': Study(
        'Real KITTI frames, trained on some drives, validated on others',
        CONFIGS / 'pointpillars-mini_1xb4-20e_kitti-frames-car.py',
        _pillars('kitti-frames-car', 'pointdistiller'),
        None,
        compared='PointPillars 4x alone, with PointDistiller; AP40 and area under the curve of '
        'moderate cars',
        metrics=(
            *(kitti_ap('Car', view) for view in VIEWS),
            *(Metric(f'{KITTI}Car_{view}_area_moderate_strict', f'{view} area') for view in VIEWS),
        ),
        paired=4,
        facts=(
            Metric(f'{KITTI}Car_objects_moderate', 'valid cars'),
            Metric(f'{KITTI}Car_AP40_ceiling_moderate', 'AP40 of ground truth against itself'),
        ),
    ),
}


def named_row(text: str, study: Study) -> Row:
    """Read ``NAME`` or ``NAME=CONFIG``; the latter is another way to train the first student.

    Raises:
        UsageError: If the name is unknown and has no config.
    """
    name, _, config = text.partition('=')
    known = {row.name: row for row in study.rows}
    if config:
        return Row(name, Path(config).resolve(), study.rows[0].name)
    if name not in known:
        raise UsageError(
            f'a network must be one of {", ".join(known)}, but got {name!r}: write {name}=CONFIG '
            'to add one'
        )
    return known[name]
