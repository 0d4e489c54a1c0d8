"""Runs that are killed around a checkpoint, at any step of writing it, and resumed.

The suite tries a sample of the steps; SRKD_EVERY_KILL=1 tries all (two minutes).
"""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from killed import Killer, forked
from mmengine.evaluator import BaseMetric
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint as load
from torch import nn
from torch.utils.data import Dataset

from projects.SRKD.base import UsageError
from projects.SRKD.compat.mmengine_checkpoints import find_latest_checkpoint
from projects.SRKD.compat.mmengine_save_best import main_score

EPOCHS = 3


class Ones(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dict(inputs=torch.rand(2))


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(2, 1)

    def forward(self, inputs, mode='loss'):
        if mode != 'loss':
            return inputs
        return dict(loss=self.line(nn.functional.dropout(torch.stack(inputs))).square().mean())


class Better(BaseMetric):
    """A class that falls and a main score that rises from validation to validation."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(wall=-self.run.epoch, miou=float(self.run.epoch))


def train(work_dir, **checkpoint):
    torch.manual_seed(0)
    better = Better()
    loader = dict(dataset=Ones(), batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler'))
    runner = Runner(
        model=Net(),
        work_dir=str(work_dir),
        resume=True,
        experiment_name=f'kill_{work_dir.name}_{os.getpid()}_{id(loader)}',
        train_dataloader=loader,
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=[better],
        train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
        custom_hooks=[
            dict(type='ReseedHook', _scope_='mmdet3d'),
            dict(type='OwedValidationHook', _scope_='mmdet3d'),
        ],
        default_hooks=dict(
            checkpoint=dict(
                dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='auto')
                | checkpoint
            )
        ),
        randomness=dict(seed=0),
        default_scope='mmengine',
        log_level='ERROR',
    )
    better.run = runner
    runner.train()
    return runner


def _killed(folder, at, halfway):
    torch.set_num_threads(1)
    killer = Killer(at, ('.pth', 'last_checkpoint'), halfway)
    train(folder)
    (folder / 'steps').write_text(str(killer.seen))


def _resumed(folder):
    torch.set_num_threads(1)
    train(folder)


@pytest.mark.parametrize('halfway', [False, True])
def test_a_run_killed_at_any_step_of_a_checkpoint_is_resumed(tmp_path, halfway):
    assert forked(_killed, tmp_path / 'whole', None, halfway) == 0
    expected = load(f'{tmp_path}/whole/epoch_{EPOCHS}.pth')['state_dict']
    steps = int((tmp_path / 'whole/steps').read_text())
    per_epoch = steps // EPOCHS
    assert per_epoch >= (3 if halfway else 15)  # its checkpoint, the best one, its own once more
    every = range(per_epoch + 1, 2 * per_epoch + 1)[:: 1 if halfway else 5]  # the second epoch's
    if 'SRKD_EVERY_KILL' in os.environ:
        every = range(1, steps + 1)
    for at in every:
        folder = tmp_path / f'kill{at}'
        assert forked(_killed, folder, at, halfway) == -signal.SIGKILL
        assert forked(_resumed, folder) == 0, f'not resumed after step {at}'
        got = load(f'{folder}/epoch_{EPOCHS}.pth')['state_dict']
        assert all(torch.equal(got[name], value) for name, value in expected.items()), at
        assert not list(folder.glob('.*.part'))
        left = sorted(path.name for path in folder.glob('*.pth'))
        assert left == [f'best_miou_epoch_{EPOCHS}.pth', f'epoch_{EPOCHS}.pth'], at
    print(f'{len(every)} of {len(every)} runs resumed')


def test_auto_keeps_the_best_by_the_main_score(tmp_path):
    train(tmp_path)
    assert [path.name for path in tmp_path.glob('best_*')] == [f'best_miou_epoch_{EPOCHS}.pth']


@pytest.mark.parametrize(
    'names, expected',
    [
        (['wall', 'floor', 'miou', 'acc', 'acc_cls', 'voxel_miou', 'teacher/miou'], 'miou'),
        (['a/KITTI/Car_3D_AP11_easy', 'a/KITTI/Overall_3D_AP40_moderate'],
         'a/KITTI/Overall_3D_AP40_moderate'),
        (['KITTI/Car_BEV_AP40_moderate_loose', 'KITTI/Car_3D_AP40_moderate_strict'],
         'KITTI/Car_3D_AP40_moderate_strict'),
        (['m/car_AP_dist_0.5', 'm/mATE', 'm/mAP', 'm/NDS'], 'm/NDS'),
        (['cabinet_AP_0.25', 'mAP_0.25', 'mAR_0.25', 'mAP_0.50'], 'mAP_0.50'),
        (['Vehicle/L1 mAP', 'Overall/L1 mAP', 'Overall/L2 mAP'], 'Overall/L2 mAP'),
        (['error'], None),
    ],
)  # fmt: skip
def test_the_main_score_of_each_metric(names, expected):
    assert main_score(names) == expected


@pytest.mark.parametrize(
    'save_best, message',
    [
        ('auto', "save_best='auto' knows none of the scores of this validation \\(error\\)"),
        ('accuracy/err', "save_best='accuracy/err' is no score .* nearest is 'error'"),
    ],
)
def test_a_score_that_is_not_there_is_refused_in_one_sentence(save_best, message):
    hook = CheckpointHook(save_best=save_best)
    with pytest.raises(UsageError, match=message):
        hook.after_val_epoch(SimpleNamespace(), dict(error=1.0))


@pytest.mark.parametrize(
    ('score', 'rule'),
    [
        ('NuScenes metric/pred_instances_3d_NuScenes/NDS', 'greater'),
        ('NuScenes metric/pred_instances_3d_NuScenes/car_AP_dist_0.5', 'greater'),
        ('NuScenes metric/pred_instances_3d_NuScenes/mATE', 'less'),
        ('NuScenes metric/pred_instances_3d_NuScenes/car_vel_err', 'less'),
        ('Kitti metric/pred_instances_3d/KITTI/Overall_3D_AP40_moderate', 'greater'),
        ('Kitti metric/pred_instances_3d/KITTI/Car_BEV_area_hard_loose', 'greater'),
        ('chair_rec_0.25', 'greater'),
        ('miou', 'greater'),
        ('val_loss', 'less'),
    ],
)
def test_scores_of_mmdet3d_need_no_rule(score, rule):
    assert CheckpointHook(save_best=score).rules == [rule]
    assert CheckpointHook(save_best=score, rule='less').rules == ['less']
    assert CheckpointHook(save_best=[score, 'acc']).rules == [rule, 'greater']


def test_a_score_that_tells_no_rule_asks_for_one():
    with pytest.raises(UsageError, match="save_best='wall' does not tell .*rule='greater'"):
        CheckpointHook(save_best=['miou', 'wall'])
    with pytest.raises(
        UsageError, match="checkpoint.rule must be 'greater', 'less' or None, but got 'more'"
    ):
        CheckpointHook(save_best='wall', rule='more')


def write(path, content=b'whole'):
    with open(path, 'wb') as file:
        torch.save(dict(content=content), file)
    return path


@pytest.fixture
def work_dir(tmp_path):
    for number in (1, 2):
        path = write(tmp_path / f'epoch_{number}.pth')
        os.utime(path, (number, number))
    write(tmp_path / 'best_miou_epoch_2.pth')  # newer than both, without an optimizer
    write(tmp_path / 'teacher.pth')  # somebody else's
    return tmp_path


@pytest.mark.parametrize(
    'record, wrong',
    [
        (None, 'does not exist'),
        ('', 'is empty'),
        ('{}/epoch_9.pth', 'which is gone'),
        ('elsewhere/epoch_1.pth', 'which is gone'),
        ('{}/torn.pth', 'which is torn'),
        ('{}/flipped.pth', 'which is torn'),
    ],
)
def test_a_wrong_record_falls_back_to_the_newest_whole_file(work_dir, record, wrong, monkeypatch):
    content = (work_dir / 'epoch_2.pth').read_bytes()
    (work_dir / 'torn.pth').write_bytes(content[: len(content) // 2])
    (work_dir / 'flipped.pth').write_bytes(content.replace(b'whole', b'hwole'))
    if record is not None:
        (work_dir / 'last_checkpoint').write_text(record.format(work_dir))
    lines = []
    monkeypatch.setattr('mmengine.logging.print_log', lambda line, **kwargs: lines.append(line))
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / 'epoch_2.pth')
    assert len(lines) == 1 and wrong in lines[0] and 'newest whole file' in lines[0]


def test_what_a_stopped_run_has_written_is_resumed_from_until_a_later_one_is_whole(work_dir):
    write(work_dir / 'stopped.pth')
    assert find_latest_checkpoint(str(work_dir)) == str(work_dir / 'stopped.pth')


def test_a_right_record_is_followed(work_dir):
    (work_dir / 'last_checkpoint').write_text(f'{work_dir}/epoch_1.pth\n')
    assert find_latest_checkpoint(str(work_dir)) == f'{work_dir}/epoch_1.pth'


def test_a_folder_without_a_whole_checkpoint_is_refused(tmp_path):
    assert find_latest_checkpoint(str(tmp_path)) is None  # a run before its first checkpoint
    (tmp_path / 'epoch_1.pth').write_bytes(b'PK torn')
    with pytest.raises(UsageError, match='last_checkpoint does not exist, and .* no whole check'):
        find_latest_checkpoint(str(tmp_path))


def test_files_of_mmengine_are_whole_or_not_there(tmp_path, monkeypatch):
    backend = LocalBackend()
    backend.put_text('old', tmp_path / 'new folder/file')

    def tear(path, content):
        path.open('wb').write(content[:1])
        raise OSError('disk is full')

    monkeypatch.setattr(Path, 'write_bytes', tear)
    with pytest.raises(OSError, match='disk is full'):
        backend.put(b'new', tmp_path / 'new folder/file')
    assert [path.read_text() for path in (tmp_path / 'new folder').iterdir()] == ['old']
