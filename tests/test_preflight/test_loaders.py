"""Loaders that no loop could run."""

import copy
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from processes import run_group
from torch.utils.data import BatchSampler, DataLoader

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.batches.cross_sample_batch_sampler import CrossSampleBatchSampler
from projects.SRKD.datasets.batches.labeled_batch_sampler import LabeledBatchSampler
from projects.SRKD.preflight.loaders import (
    check_epoch_has_steps,
    check_loaders,
    check_test_modes,
)

BY_EPOCH = [dict(by_epoch=True, max_epochs=1), dict(type='EpochBasedTrainLoop', max_epochs=1)]


def test_a_list_of_loaders_is_refused():
    cfg = Config(dict(val_dataloader=[dict(), dict()]))
    with pytest.raises(UsageError, match='val_dataloader is a list of 2 loaders.*ConcatDataset'):
        check_loaders(cfg, ('train', 'val'))
    check_loaders(cfg, ('train',))


@pytest.mark.parametrize('loop', BY_EPOCH)
def test_an_epoch_without_end_is_refused(loop):
    cfg = Config(dict(train_cfg=loop, train_dataloader=dict(sampler=dict(type='InfiniteSampler'))))
    with pytest.raises(UsageError, match='InfiniteSampler never ends an epoch'):
        check_loaders(cfg, ('train',))
    cfg.train_cfg = dict(by_epoch=False, max_iters=3)
    check_loaders(cfg, ('train',))


def test_what_a_batch_sampler_drops_is_said_in_one_place():
    cfg = Config(dict(train_dataloader=dict(batch_sampler=dict(type='Any'), drop_last=True)))
    with pytest.raises(UsageError, match='drop_last=True into train_dataloader.batch_sampler'):
        check_loaders(cfg, ('train',))
    cfg.train_dataloader.drop_last = False
    check_loaders(cfg, ('train',))


def test_an_epoch_without_steps_is_refused_with_all_numbers():
    loader = DataLoader(range(6), batch_size=8, drop_last=True)
    with pytest.raises(UsageError, match='has 6 scans for batches of batch_size=8 with drop_last'):
        check_epoch_has_steps(SimpleNamespace(train_dataloader=loader))
    check_epoch_has_steps(SimpleNamespace(train_dataloader=DataLoader(range(6), batch_size=6)))


SIZES = [(n, size, last) for n in (5, 6, 7) for size in (1, 2, 3) for last in (False, True)]


def _steps(rank):
    """What samplers of two ranks do with sizes that two does not divide."""
    warnings.simplefilter('ignore')  # nothing is known of these scans
    found = []
    for kind in (BatchSampler, CrossSampleBatchSampler, LabeledBatchSampler):
        for n, size, drop_last in SIZES:
            batches = kind(DefaultSampler(range(n), seed=0), size, drop_last=drop_last)
            found.append((len(batches), list(batches)))
    try:
        sampler = DefaultSampler(range(7), round_up=False)
        loader = DataLoader(range(7), sampler=sampler, batch_size=1)
        check_epoch_has_steps(SimpleNamespace(train_dataloader=loader))
    except UsageError as error:
        return found, str(error)


def test_ranks_have_as_many_steps_whatever_the_number_of_scans():
    (one, told), (other, also) = run_group(_steps, 2)
    assert told == also and 'must give each process as many batches, but got 4, 3:' in told
    for case, ((length, mine), (same, theirs)) in enumerate(zip(one, other)):
        n, size, drop_last = SIZES[case % len(SIZES)]
        assert length == same == len(mine) == len(theirs)
        assert [len(batch) for batch in mine] == [len(batch) for batch in theirs]
        shown = Counter(index for batch in mine + theirs for index in batch)
        if case < 2 * len(SIZES) and not drop_last:  # one of an odd number is shown twice
            assert sorted(shown.values()) == [1] * (n - n % 2) + [2] * (n % 2)
        elif case < 2 * len(SIZES):
            assert sum(shown.values()) == 2 * size * length <= n + n % 2


CONFIGS = Path(__file__).parents[2] / 'configs/mini'
SPLITS = ('train', 'val', 'test')


@pytest.mark.parametrize('name', [
    'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py', 'centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py',
])  # fmt: skip
def test_data_for_training_is_not_scored_nor_the_other_way_round(name):
    cfg = Config.fromfile(CONFIGS / name)
    check_test_modes(cfg, SPLITS)
    for split, value, told in (('val', False, 'is False, expected True: frames without objects'),
                               ('test', None, 'is not set, expected True'),
                               ('train', True, 'is True, expected False: labels')):  # fmt: skip
        wrong = copy.deepcopy(cfg)
        dataset = wrong[f'{split}_dataloader'].dataset
        dataset.pop('test_mode', None)
        if value is not None:
            dataset['test_mode'] = value
        with pytest.raises(UsageError, match=f'in {split}_dataloader {told}'):
            check_test_modes(wrong, SPLITS)
        check_test_modes(wrong, [other for other in SPLITS if other != split])
