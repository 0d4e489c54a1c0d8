"""Students by short names, and the lines of a config that build each on some data."""

from __future__ import annotations

from typing import NamedTuple

from mmengine.config import Config

from ..base import UsageError, shipped
from ..base.checks import check_choice
from .kinds import Kind, loading

MODELS = '_base_/models'
ROOMS, STREETS = 'rooms', 'streets'


class Student(NamedTuple):
    """A network for segmentation.

    Args:
        model: Base file of ``configs/_base_/models``.
        size: What of its ``sizes`` it takes; empty: the file as it is.
        street_size: The same on streets; None: as in rooms.
        mini: Whether it trains in minutes on a CPU, with voxels to match.
        depth: Whether its backbone has bits of a position that follow from the reach of scans.
        places: Data that it is for.
    """

    model: str
    size: str = ''
    street_size: str | None = None
    mini: bool = False
    depth: bool = False
    places: tuple[str, ...] = (ROOMS, STREETS)


STUDENTS = {
    'half': Student('ptv3', 'half', depth=True),
    'ptv3-base': Student('ptv3', depth=True),
    'minkunet18': Student('minkunet18_w20'),
    'minkunet18-w16': Student('minkunet18_w20', 'minkunet18_w16'),
    'minkunet34': Student('minkunet18_w20', 'minkunet34_w20'),
    'litept': Student('litept_s', depth=True),
    'pointpillars': Student('pointpillars_seg', places=(STREETS,)),
    'ptv3-mini-s': Student('ptv3_mini', 's', mini=True, depth=True),
    'ptv3-mini-m': Student('ptv3_mini', 'm', mini=True, depth=True),
    'minkunet-mini': Student('minkunet_mini', street_size='three_stages', mini=True),
}
"""Students for segmentation."""
COMPRESSIONS = {'2x': 2, '4x': 4, '8x': 8, '16x': 16}
"""Students for detection: by how much the detector's parameters are divided."""
# By place and whether the student is mini: meters, bits (13: 400 m of streets), epochs.
_SETTINGS = {
    (ROOMS, False): (0.02, None, 'onecycle-800e'),
    (ROOMS, True): (0.1, None, 'mini-15e'),
    (STREETS, False): (0.05, 13, 'onecycle-50e'),
    (STREETS, True): (0.4, 10, 'mini-15e'),
}


def check_student(name: str, kind: Kind) -> None:
    """Refuse a name that is no student for this kind of data.

    Raises:
        UsageError: With the students there are, and the nearest.
    """
    if kind.family:
        check_choice('--student', name, COMPRESSIONS)
        return
    check_choice('--student', name, STUDENTS)
    place = _place(kind)
    if place not in STUDENTS[name].places:
        fitting = [other for other, student in STUDENTS.items() if place in student.places]
        raise UsageError(f'--student must be one of {fitting} for {place}, but got {name!r}, which '
                         f'is for {" and ".join(STUDENTS[name].places)}')  # fmt: skip


def bases(name: str, kind: Kind) -> list[str]:
    """Shipped files that the student's config joins with the data: network, schedule, run time."""
    student = STUDENTS[name]
    runtime = '_base_/mini_runtime.py' if student.mini else '_base_/default_runtime.py'
    schedule = _SETTINGS[_place(kind), student.mini][2]
    return [f'{MODELS}/{student.model}.py', f'_base_/schedules/{schedule}.py', runtime]


def body(name: str, kind: Kind, num_classes: int) -> str:
    """``model = dict(...)`` of a student of segmentation: what its base file cannot know."""
    student, place = STUDENTS[name], _place(kind)
    voxel_size, depth, _ = _SETTINGS[place, student.mini]
    size = student.size
    if place == STREETS and student.street_size is not None:
        size = student.street_size
    columns = len(loading(kind.config())[0]['use_dim'])
    parts = dict(backbone=f'in_channels={columns}')
    if student.depth and depth is not None:
        parts['backbone'] += f', depth={depth}'
    parts['decode_head'] = f'num_classes={num_classes}, ignore_index={num_classes}'
    changed = Config.fromfile(shipped.configs(bases(name, kind)[0])).sizes[size] if size else {}
    for part in changed:
        parts[part] += f', **_base_.sizes.{size}.{part}'
    lines = ''.join(f'    {part}=dict({words}),\n' for part, words in parts.items())
    return f'model = dict(\n    data_preprocessor=dict(voxel_size={voxel_size}),\n{lines})\n'


def _place(kind: Kind) -> str:
    return ROOMS if loading(kind.config())[0]['coord_type'] == 'DEPTH' else STREETS
