"""What the config files themselves say of every network: its role, its ratio, its parameters."""

from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from toy import build

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


@cache
def read(path: Path) -> Config:
    return Config.fromfile(path)


def configs(folder: str) -> list[Path]:
    """Every config of a folder of ``configs``, by name."""
    return sorted((CONFIGS / folder).glob('*.py'))


def is_pair(path: Path) -> bool:
    """Whether a config distills."""
    return 'teacher' in read(path).model


def networks(folder: str) -> list[Path]:
    """The configs of a folder that train a network alone."""
    return [path for path in configs(folder) if not is_pair(path)]


@cache
def users(folder: str) -> tuple[set[Path], set[Path]]:
    """Which networks of a folder teach and which learn, by what its pairs hold."""
    pairs = [read(path).model for path in configs(folder) if is_pair(path)]
    teachers = {Path(model.teacher.config).resolve() for model in pairs}
    learned = {_text(model.student) for model in pairs}
    return teachers, {path for path in networks(folder) if _text(read(path).model) in learned}


def _text(model: dict) -> str:
    """A model's config without what only says how scans are numbered for a cache."""
    model = model.to_dict()
    model.get('data_preprocessor', {}).pop('identity_columns', None)
    return repr(model)


def role(path: Path) -> str:
    """``teacher``, or ``student`` and its compression ratio where it has one."""
    teachers, students = users(path.parent.name)
    assert not (path in teachers and path in students), path
    if path in teachers:
        return 'teacher'
    ratio = read(path).model.get('compression')
    assert ratio or path in students, f'{path} is used by no pair'
    return f'student, {ratio}x' if ratio else 'student'


@cache
def parameters(path: Path) -> int:
    """Parameters of the network that a config trains, counted on the built network."""
    model = read(path).model
    # detectors' anchors and voxel layers read the values of tensors
    with torch.device('meta' if model.type == 'MinkUNet' else 'cpu'):
        return sum(p.numel() for p in build(model).parameters())
