"""Folders of steps: whole or not there, few, and read with care."""

import os

import pytest
import torch
from processes import run_group

from projects.SRKD.base import UsageError
from projects.SRKD.engine.finite_step import step_folder
from projects.SRKD.engine.finite_step.step_folder import keep_step, read_rank, read_weights

MIB = 2**20


def content(number=0):
    return dict(format=1, number=number, values=torch.arange(3.0))


def test_what_is_kept_is_read_again(tmp_path):
    files = {'weights.pth': dict(a=torch.ones(2)), 'rank0.pth': content(4)}
    assert keep_step(tmp_path / 'run/non_finite_iter3', lambda: files, MIB, 3) is None
    assert os.listdir(tmp_path / 'run') == ['non_finite_iter3']
    assert read_rank(tmp_path / 'run/non_finite_iter3')['number'] == 4
    assert torch.equal(read_weights(tmp_path / 'run/non_finite_iter3')['a'], torch.ones(2))


def test_a_view_does_not_bring_its_whole_storage(tmp_path):
    view = torch.zeros(MIB)[:2]
    assert (
        keep_step(tmp_path / 'non_finite_iter1', lambda: {'rank0.pth': dict(v=view)}, MIB, 3)
        is None
    )
    assert (tmp_path / 'non_finite_iter1/rank0.pth').stat().st_size < 10_000


def test_the_oldest_go_and_what_has_another_name_stays(tmp_path):
    (tmp_path / 'non_finite_iterations').mkdir()
    for number in (8, 3, 5):
        keep_step(tmp_path / f'non_finite_iter{number}', lambda: {'rank0.pth': content()}, MIB, 2)
        os.utime(tmp_path / f'non_finite_iter{number}', (1e9 - number, 1e9 + (number != 8)))
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ['non_finite_iter3', 'non_finite_iter5', 'non_finite_iterations']


def test_what_a_killed_run_has_left_goes(tmp_path):
    (tmp_path / '.non_finite_iter7.part').mkdir()
    (tmp_path / '.non_finite_iter7.old.part').mkdir()
    keep_step(tmp_path / 'non_finite_iter3', lambda: {'rank0.pth': content()}, MIB, 2)
    assert os.listdir(tmp_path) == ['non_finite_iter3']


def test_a_folder_of_the_same_step_is_replaced(tmp_path):
    for files in ({'rank0.pth': content(1)}, {'rank0.pth': content(2)}):
        keep_step(tmp_path / 'non_finite_iter3', files.copy, MIB, 3)
    assert read_rank(tmp_path / 'non_finite_iter3')['number'] == 2


def test_what_is_too_large_or_cannot_be_written_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    files = {'rank0.pth': dict(a=torch.zeros(MIB))}
    said = keep_step(tmp_path / 'non_finite_iter3', lambda: files, MIB, 3)
    assert said.endswith('the step takes 4 MiB, at most 1 MiB are kept (max_mib of FiniteStepHook)')
    assert os.listdir(tmp_path) == []

    def full(content, path):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(step_folder.torch, 'save', full)
    said = keep_step(tmp_path / 'non_finite_iter3', lambda: {'rank0.pth': content()}, MIB, 3)
    assert 'No space left' in said and os.listdir(tmp_path) == []


def _rank(rank, folder, wrong):
    def files():
        if rank == wrong:
            raise KeyError('a network of its own kind')
        return {f'rank{rank}.pth': dict(a=torch.zeros(MIB if wrong is None and rank else 3))}

    return keep_step(folder / 'non_finite_iter3', files, MIB, 3)


@pytest.mark.parametrize('wrong, said', [(None, 'takes 4 MiB'), (1, 'KeyError'), (0, 'KeyError')])
def test_if_one_process_cannot_write_none_waits_and_no_half_is_left(tmp_path, wrong, said):
    one, other = run_group(_rank, 2, tmp_path, wrong)
    assert one == other and said in one and os.listdir(tmp_path) == []


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(UsageError, match='must be a folder non_finite_iterN .* ranks none'):
        read_rank(tmp_path)
    torch.save(content(), tmp_path / 'rank2.pth')
    with pytest.raises(UsageError, match='with rank 1, but got the ranks 2'):
        read_rank(tmp_path, 1)
    torch.save(content() | dict(format=9), tmp_path / 'rank2.pth')
    with pytest.raises(UsageError, match='must be of format 1, but got 9: replay it with'):
        read_rank(tmp_path)
