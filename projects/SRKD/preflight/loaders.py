"""Loaders against the loop that asks them for batches."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from mmdet3d.datasets import Det3DDataset, Seg3DDataset
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size
from mmengine.runner import Runner

from ..base import UsageError
from ..datasets.class_names import inner_datasets


def check_loaders(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse several loaders where mmengine takes one, and epochs that never end.

    Raises:
        UsageError: If a loader is a list or says twice what it drops, or a loop by epochs has an
            endless sampler.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if isinstance(loader, (list, tuple)):
            raise UsageError(
                f'{split}_dataloader is a list of {len(loader)} loaders, expected one: join the '
                "data by dataset=dict(type='ConcatDataset', datasets=[...]) (several metrics may "
                f'stand in {split}_evaluator)'
            )
        if isinstance(loader, Mapping) and loader.get('batch_sampler') and loader.get('drop_last'):
            raise UsageError(
                f'{split}_dataloader.drop_last=True stands beside a batch_sampler, which cuts the '
                f'batches itself: write drop_last=True into {split}_dataloader.batch_sampler and '
                'False into the loader'
            )
    loop, loader = cfg.get('train_cfg'), cfg.get('train_dataloader')
    if 'train' not in splits or not isinstance(loop, Mapping) or not isinstance(loader, Mapping):
        return
    by_epoch = loop.get('by_epoch', loop.get('type') == 'EpochBasedTrainLoop')
    sampler = loader.get('sampler')
    kind = str(sampler.get('type', '')) if isinstance(sampler, Mapping) else ''
    if by_epoch and kind.rpartition('.')[2] == 'InfiniteSampler':
        raise UsageError(
            "train_dataloader.sampler of type InfiniteSampler never ends an epoch: take type='"
            "DefaultSampler', or train by iterations with train_cfg=dict(by_epoch=False, "
            'max_iters=...)'
        )


_TEST_MODE = (
    'frames without objects would be left out, and no ground truth kept for the metric',
    'labels and scene_idxs would be left out',
)


def check_test_modes(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse data sets for training where others are scored, and the other way round.

    A data set of val or test without ``test_mode=True`` leaves out frames without objects, takes
    another scan for one that cannot be read, and has no ground truth for a metric; one of train
    with it ignores ``scene_idxs`` and has no labels for the pipeline.

    Raises:
        UsageError: Naming the key.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if not isinstance(loader, Mapping):
            continue
        for dataset in inner_datasets(loader.get('dataset')):
            kind = dataset.get('type')
            kind = DATASETS.get(kind) if isinstance(kind, str) else kind
            if not (inspect.isclass(kind) and issubclass(kind, (Det3DDataset, Seg3DDataset))):
                continue
            if bool(dataset.get('test_mode', False)) == (split == 'train'):
                raise UsageError(
                    f'test_mode of the {kind.__name__} in {split}_dataloader is '
                    f'{dataset.get("test_mode", "not set")}, expected {split != "train"}: '
                    + _TEST_MODE[split == 'train']
                )


def check_epoch_has_steps(runner: Runner) -> None:
    """Refuse a data set smaller than a batch; asked before schedules divide by the steps.

    Raises:
        UsageError: If the training loader has no batch to give, or not as many to each process.
    """
    loader = runner.train_dataloader
    _check_steps_of_ranks(all_gather_object(len(loader)))
    if len(loader):
        return
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', '?')
    processes = get_world_size()
    shared = f', shared by {processes} processes' if processes > 1 else ''
    raise UsageError(
        f'train_dataloader has {len(loader.dataset)} scans{shared} for batches of '
        f'batch_size={size} with drop_last=True, so an epoch has no step: expected at least '
        f'{size} scans per process, a smaller batch_size or drop_last=False'
    )


def _check_steps_of_ranks(steps: Sequence[int]) -> None:
    if len(set(steps)) > 1:
        raise UsageError(
            'train_dataloader must give each process as many batches, but got '
            f'{", ".join(map(str, steps))}: the ranks with fewer would keep the others waiting; '
            'say round_up=True in its sampler, which then shows some scans twice'
        )
