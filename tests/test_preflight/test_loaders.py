"""Loaders that no loop could run."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from projects.SRKD.base import UsageError
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
