"""A teacher that names no checkpoint takes the newest of its config's work dir."""

import pytest
import torch
from toy import minkunet

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.distill import LiveTeacher
from projects.SRKD.distill.newest_checkpoint import newest_checkpoint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs/big.py').write_text(f'model = {minkunet(8)!r}\n')
    return tmp_path / 'work_dirs/big'


def saved(folder, epoch: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict={}, meta={}), folder / f'epoch_{epoch}.pth')
    (folder / 'last_checkpoint').write_text(str(folder / f'epoch_{epoch}.pth'))
    (folder / 'big.py').touch()  # as the runner dumps it


def test_the_newest_is_taken_when_it_is_asked_for(folder):
    teacher = LiveTeacher('configs/big.py', taps=['backbone'])  # a student may be tested without
    for epoch in (9, 10):
        saved(folder, epoch)
    assert teacher.checkpoint == str(folder / 'epoch_10.pth')
    saved(folder, 11)
    assert teacher.checkpoint == str(folder / 'epoch_10.pth')  # one teacher for the whole run


def test_a_teacher_that_was_never_trained_is_refused_with_what_to_do(folder):
    match = 'work_dirs/big does not exist: train it with python tools/train.py configs/big.py'
    with pytest.raises(FileMissingError, match=match):
        LiveTeacher('configs/big.py', taps=['backbone']).load()
    folder.mkdir(parents=True)
    with pytest.raises(FileMissingError, match='work_dirs/big holds none: train it with'):
        newest_checkpoint('configs/big.py')


def test_a_folder_that_several_configs_share_is_refused(folder):
    saved(folder, 3)
    (folder / 'other.py').touch()
    match = r'several configs \(big.py, other.py\), expected big.py alone: name the file'
    with pytest.raises(UsageError, match=match):
        newest_checkpoint('configs/big.py')
