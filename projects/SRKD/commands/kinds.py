"""Kinds of data that a project can be like, and which files tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from ..base import FileMissingError, shipped
from ..datasets.class_names import inner_datasets
from ..datasets.infos.pandaset import pandaset_entries
from ..datasets.infos.semantickitti import semantickitti_entries
from ..datasets.infos.split_folders import split_entries

_SHOWN = 4  # names of a folder in messages
Entries = dict[str, list[dict]]


class Layout(NamedTuple):
    """How files lie in a root without info files.

    Args:
        marks: Globs that all match something in such a root.
        remedy: What writes the info files.
        entries: Lists the scans by split, given the root and the kind; None: the remedy must do.
    """

    marks: tuple[str, ...]
    remedy: str
    entries: Callable[[Path, Kind], Entries] | None = None


class Kind:
    """A data set's base file, as a name of the command line.

    Args:
        base: Below ``configs``: of the data, or of a whole detector that is trained on it.
        layouts: Names of :data:`LAYOUTS` that its scans may have.
        family: Of detectors: their key in the methods' files.
        takes_classes: Whether its classes may be replaced.
    """

    def __init__(
        self, base: str, *layouts: str, family: str = '', takes_classes: bool = False
    ) -> None:
        self.base = base
        self.layouts = layouts
        self.family = family
        self.takes_classes = takes_classes

    def config(self) -> Config:
        """The base file."""
        return Config.fromfile(shipped.configs(self.base))

    def info_files(self) -> tuple[str, ...]:
        """Names of the info files for training and validation."""
        return tuple(inner(self.config(), split)['ann_file'] for split in ('train', 'val'))


def inner(cfg: Config, split: str) -> Mapping:
    """Config of the data set inside of all that repeat it."""
    return next(iter(inner_datasets(cfg[f'{split}_dataloader'].dataset)))


def loading(cfg: Config) -> tuple[Mapping, Mapping]:
    """The steps that load points and labels."""
    steps = {step['type']: step for step in inner(cfg, 'train')['pipeline']}
    return steps['LoadPointsFromFile'], steps['LoadAnnotations3D']


def _own(root: Path, kind: Kind) -> Entries:
    points, labels = loading(kind.config())
    return split_entries(root, points['load_dim'], label_type(labels).itemsize)


def label_type(step: Mapping) -> np.dtype:
    """Type of the labels that ``LoadAnnotations3D`` reads."""
    return np.dtype(step.get('seg_3d_dtype', 'np.int64').removeprefix('np.'))


LAYOUTS = dict(
    own=Layout(('train/*.bin', 'val/*.bin'), 'docs/own_dataset.md', _own),
    sequences=Layout(
        ('sequences/*/velodyne/*.bin',),
        'tools/dataset_converters/semantickitti_infos.py ROOT',
        lambda root, kind: semantickitti_entries(root),
    ),
    drives=Layout(
        ('*/velodyne/*.bin',),
        'tools/dataset_converters/pandaset_infos.py ROOT',
        lambda root, kind: pandaset_entries(root),
    ),
    scannet=Layout(('scannet_instance_data',), "mmdet3d's create_data.py scannet (docs/data.md)"),
    kitti=Layout(
        ('training/label_2',), 'tools/dataset_converters/kitti_infos.py --root ROOT'
    ),
    nuscenes=Layout(
        ('samples/LIDAR_TOP', 'v1.0-*'), 'tools/dataset_converters/nuscenes_infos.py ROOT'
    ),
)  # fmt: skip
"""Layouts by name."""

_DATA, _MINI, _BOXES = '_base_/datasets', 'mini', 'pointdistiller'
KINDS = {
    'scannet': Kind(f'{_DATA}/scannet-seg.py', 'scannet', 'own', takes_classes=True),
    'scannet200': Kind(f'{_DATA}/scannet200-seg.py', 'scannet'),
    'semantickitti': Kind(f'{_DATA}/semantickitti.py', 'sequences'),
    'nuscenes': Kind(f'{_DATA}/nuscenes-lidarseg.py', 'nuscenes'),
    'pandaset': Kind(f'{_DATA}/pandaset.py', 'drives', 'own', takes_classes=True),
    'kitti': Kind(
        f'{_BOXES}/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        'kitti',
        family='pointpillars',
    ),
    'mini-scannet': Kind(f'{_DATA}/mini-scannet-seg.py', 'scannet', 'own', takes_classes=True),
    'mini-semantickitti': Kind(f'{_DATA}/mini-semantickitti.py', 'sequences'),
    'mini-semantickitti-frames': Kind(f'{_DATA}/mini-semantickitti-frames.py', 'sequences'),
    'mini-nuscenes': Kind(f'{_DATA}/mini-nuscenes-lidarseg.py', 'nuscenes'),
    'mini-pandaset': Kind(f'{_DATA}/mini-pandaset.py', 'drives', 'own', takes_classes=True),
    'mini-kitti': Kind(
        f'{_MINI}/pointpillars-mini_1xb4-20e_mini-kitti-3d.py', 'kitti', family='pointpillars'
    ),
    'kitti-frames-car': Kind(
        f'{_MINI}/pointpillars-mini_1xb4-20e_kitti-frames-car.py', 'kitti', family='pointpillars'
    ),
    'mini-nuscenes-boxes': Kind(
        f'{_MINI}/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py', 'nuscenes', family='centerpoint'
    ),
}
"""What ``--like`` may be."""


def bare_entries(root: Path, like: str) -> Entries | None:
    """Entries of info files for scans that have none; None where the root holds info files.

    Args:
        root: Folder of the data.
        like: Name of its kind.

    Raises:
        FileMissingError: If neither info files nor scans of this kind are there: which were
            expected, and which kind it looks like.
        UsageError: If a scan and its labels do not fit together.
    """
    kind = KINDS[like]
    if _has_infos(root, kind):
        return None
    there = [LAYOUTS[name] for name in kind.layouts if _lies_there(root, LAYOUTS[name])]
    for layout in there:
        if layout.entries is not None:
            return layout.entries(root, kind)
    wanted = ' and '.join(kind.info_files())
    bare = [mark for name in kind.layouts if LAYOUTS[name].entries for mark in LAYOUTS[name].marks]
    if bare:
        wanted += f', or {" and ".join(bare)},'
    raise FileMissingError(
        f'--data {root} must hold {wanted} for --like {like}, but got {_held(root)}: '
        + (f'write them with {there[0].remedy}' if there else _looks_like(root))
    )


def _has_infos(root: Path, kind: Kind) -> bool:
    return all((root / name).is_file() for name in kind.info_files())


def _lies_there(root: Path, layout: Layout) -> bool:
    return all(any(root.glob(mark)) for mark in layout.marks)


def _looks_like(root: Path) -> str:
    for name, kind in KINDS.items():
        if _has_infos(root, kind) or any(
            _lies_there(root, LAYOUTS[layout]) for layout in kind.layouts
        ):
            return f'it looks like --like {name}'
    return f'it looks like none of {", ".join(KINDS)}'


def _held(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return ', '.join(names[:_SHOWN]) + (', ...' if len(names) > _SHOWN else '') or 'nothing'
