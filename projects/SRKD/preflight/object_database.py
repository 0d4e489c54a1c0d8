"""Whether the objects and ground planes are there that ``ObjectSample`` pastes from and onto."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from mmdet3d.datasets.transforms import DataBaseSampler, ObjectSample
from mmengine.config import Config
from mmengine.runner import Runner

from ..base import FileMissingError, UsageError, nearest_path
from ..datasets.steps import steps_of
from .built import Listing, built_datasets, frames_of, is_local

# by a word of the file's name
_WRITES = {
    'kitti': 'tools/dataset_converters/kitti_infos.py',
    'nuscenes': 'tools/dataset_converters/nuscenes_infos.py',
}


def check_database_files(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse a config that pastes objects from a database that nobody wrote.

    Raises:
        FileMissingError: If the file of a sampler is not there; names what writes it.
    """
    for split in splits:
        for sampler in _samplers(cfg.get(f'{split}_dataloader')):
            path = sampler.get('info_path') or ''
            if not is_local(path) or os.path.isfile(path):
                continue
            writer = next((tool for word, tool in _WRITES.items() if word in path), None)
            raise FileMissingError(
                f'info_path {path} of the ObjectSample in {split}_dataloader does not exist '
                f'(looked from {os.getcwd()}){f", {writer} writes it" if writer else ""}; '
                f'{nearest_path(path)}'
            )


def _samplers(value) -> Iterator[Mapping]:
    if isinstance(value, Mapping):
        if value.get('type') == 'ObjectSample' and isinstance(value.get('db_sampler'), Mapping):
            yield value['db_sampler']
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _samplers(inner)


def check_objects(runner: Runner) -> None:
    """Refuse a database whose objects have no files, or files of another number of columns.

    Raises:
        FileMissingError: If files are not there: how many, the first, the nearest.
        UsageError: If the points of an object are not those that the database tells of.
    """
    listing = Listing()
    for split, dataset in built_datasets(runner):
        for step in steps_of(dataset.pipeline):
            if isinstance(step, ObjectSample):
                _check_sampler(step.db_sampler, split, listing)


def _check_sampler(sampler: DataBaseSampler, split: str, listing: Listing) -> None:
    entries = [entry for kept in sampler.db_infos.values() for entry in kept]
    paths = [os.path.join(sampler.data_root or '', entry['path']) for entry in entries]
    lacking = [path for path in paths if is_local(path) and path not in listing]
    if lacking:
        raise FileMissingError(
            f'{len(lacking)} of the {len(paths)} objects that {sampler.info_path} lists for '
            f'{split} have no points, the first is {lacking[0]}; {nearest_path(lacking[0])}'
        )
    columns = sampler.points_loader.load_dim
    for entry, path in zip(entries, paths):
        count = entry['num_points_in_gt']
        size = os.path.getsize(path) if is_local(path) else 4 * columns * count
        if size != 4 * columns * count:
            raise UsageError(
                f'{path} has {size} bytes, expected {count} points of load_dim={columns} float32 '
                f'values, as {sampler.info_path} and the points_loader of {split} tell'
            )


def check_ground_planes(runner: Runner) -> None:
    """Refuse to paste onto ground planes that some frames do not have.

    Raises:
        UsageError: How many lack one, and the first; what to do.
    """
    for split, dataset in built_datasets(runner):
        steps = [step for step in steps_of(dataset.pipeline)
                 if isinstance(step, ObjectSample) and step.use_ground_plane]  # fmt: skip
        if not steps:
            continue
        lacking = [frame.points for frame in frames_of(dataset) if not frame.plane]
        if lacking:
            raise UsageError(
                f'{len(lacking)} of the {len(frames_of(dataset))} frames that {dataset.ann_file} '
                f'lists for {split} have no ground plane, the first is {lacking[0]}, and '
                'ObjectSample has use_ground_plane=True: write the info files with the planes in '
                'training/planes, or set use_ground_plane=False'
            )
