"""Data of KITTI's layout for tests, and MMDetection3D's own converters, loaded from its wheel."""

import importlib.util
import shutil
from collections.abc import Iterable
from pathlib import Path

import mmdet3d

from projects.MiniScenes.streets.kitti_writer import write_kitti
from projects.SRKD.datasets.infos.kitti_files import CLASSES

CONVERTERS = Path(mmdet3d.__file__).parent / '.mim/tools/dataset_converters'


def converter(name: str):
    """A module of mmdet3d's ``tools/dataset_converters``."""
    spec = importlib.util.spec_from_file_location(f'mmdet3d_{name}', CONVERTERS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interpret(monkeypatch, module) -> None:
    """Run a module's numba functions as Python: compiling them takes half a minute."""
    for name, function in vars(module).copy().items():
        if hasattr(function, 'py_func'):
            monkeypatch.setattr(module, name, function.py_func)


def small_streets(out: Path, frames: int = 5, val_frames: int = 4, **more) -> Path:
    """A procedural root that takes two seconds."""
    return write_kitti(out, frames, val_frames, **{'beams': 48, 'azimuth_steps': 500, **more})


def copy_frame(root: Path, out: Path, frame: str = '000001') -> Path:
    """A root of one frame, in both splits."""
    for folder, tail in (('calib', 'txt'), ('label_2', 'txt'), ('velodyne_reduced', 'bin')):
        (out / 'training' / folder).mkdir(parents=True)
        shutil.copy(root / f'training/{folder}/{frame}.{tail}', out / 'training' / folder)
    shutil.copy(root / 'image_sizes.csv', out)
    (out / 'ImageSets').mkdir()
    for split in ('train', 'val'):
        (out / f'ImageSets/{split}.txt').write_text(f'{frame}\n')
    return out


def count_valid(infos: Iterable[dict]) -> dict[str, list[int]]:
    """How many objects of each class count at easy, moderate and hard; each includes the former."""
    counts = {name: [0, 0, 0] for name in CLASSES}
    for info in infos:
        for instance in info['instances']:
            if instance['bbox_label'] >= 0 and instance['difficulty'] >= 0:
                for level in range(instance['difficulty'], 3):
                    counts[CLASSES[instance['bbox_label']]][level] += 1
    return counts
