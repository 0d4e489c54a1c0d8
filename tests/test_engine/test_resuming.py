"""What trainings have on board; the hooks have tests of their own."""

import errno
import os
import uuid
from pathlib import Path

import pytest
from mmdet3d.registry import DATASETS
from toy_run import write_config

from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.engine.resuming import last_whole


def train(config, folder, **flags):
    options = dict(experiment_name=uuid.uuid4().hex)
    return launch.train(config, work_dir=str(folder), cfg_options=options, **flags)


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_ends_in_one_sentence_and_the_last_checkpoint_stays(
    tmp_path, monkeypatch, number
):
    config = write_config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=3),
                          default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1,
                                                             max_keep_ckpts=1)))  # fmt: skip
    write, written = Path.write_bytes, []

    def fill(path, content):
        written.append(path)
        if len(written) > 1:
            write(path, content[:100])
            raise OSError(number, os.strerror(number))
        return write(path, content)

    run = tmp_path / 'run'
    with monkeypatch.context() as patched:
        patched.setattr(Path, 'write_bytes', fill)
        with pytest.raises(
            UsageError,
            match=rf'{run}/epoch_2.pth cannot be written: {os.strerror(number)}; the last whole '
            rf'checkpoint is {run}/epoch_1.pth: make room, and go on with --resume',
        ):
            train(config, run)
    assert sorted(path.name for path in run.iterdir() if path.suffix in ('.pth', '.part')) == [
        'epoch_1.pth'
    ]
    train(config, run, resume='auto')
    assert [path.name for path in run.glob('*.pth')] == ['epoch_3.pth']


def test_without_a_checkpoint_it_says_so(tmp_path):
    assert last_whole(tmp_path) == 'there is no checkpoint yet'


NAMES = ('ScanNetSegDataset', 'KittiDataset', 'NuScenesDataset', 'SemanticKittiDataset')


@pytest.mark.parametrize('name', NAMES)
def test_a_run_on_the_same_data_is_not_told_that_it_is_other(tmp_path, monkeypatch, name):
    meta = dict(DATASETS.get(name).METAINFO, label2cat={0: 'wall'}, ignore_index=20)
    monkeypatch.setattr(DATASETS.get('ToyPoints'), 'metainfo', meta)
    config = write_config(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1))
    train(config, tmp_path / 'run')
    for epochs in (2, 3):
        options = dict(experiment_name=uuid.uuid4().hex) | {'train_cfg.max_epochs': epochs}
        launch.train(config, work_dir=str(tmp_path / 'run'), resume='auto', cfg_options=options)
    # starts in one second share a file
    log = ''.join(log.read_text() for log in (tmp_path / 'run').glob('*/*.log'))
    assert log.count('resumed epoch') == 2 and 'dataset metainfo' not in log
