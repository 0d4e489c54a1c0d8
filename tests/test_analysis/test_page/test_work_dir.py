import json

import pytest
from toy_rooms import write_room_config
from toy_work_dir import steps_of, write_run

from projects.SRKD.analysis.page.work_dir import is_work_dir, read_run
from projects.SRKD.base import UsageError


@pytest.fixture
def config(tmp_path):
    return write_room_config(tmp_path)


def test_a_training_is_read_as_it_was_logged(config, tmp_path):
    steps = steps_of(3.0, 2.0)
    folder = write_run(tmp_path / 'alone', config, steps, [dict(miou=0.5, step=2)])
    run = read_run(folder)
    assert run.steps == steps and run.validations == [dict(miou=0.5, step=2)]
    assert run.name == 'rooms' and not run.distills and run.tested == {}
    assert run.facts['seed'] == '5' and run.facts['PyTorch'] == '2.13.0+cpu'
    assert run.seconds == 150 and run.began == '2026/01/01 10:00:00'
    assert run.checkpoint is None and list(run.remarks()) == []


def test_a_resumed_process_takes_the_place_of_what_it_repeats(config, tmp_path):
    folder = write_run(tmp_path / 'a', config, steps_of(4.0, 3.0, 2.0), [dict(miou=0.1, step=1)])
    later = [dict(one, loss=0.5 + one['loss']) for one in steps_of(4.0, 3.0, 2.0, 1.0)[1:]]
    write_run(folder, config, later, [dict(miou=0.2, step=2)], stamp='20260102_100000')
    run = read_run(folder)
    assert [one['loss'] for one in run.steps] == [4.0, 3.5, 2.5, 1.5]
    assert [one['miou'] for one in run.validations] == [0.1, 0.2]
    assert run.seconds == 300


def test_the_checkpoint_is_found_where_the_folder_was_moved(config, tmp_path):
    folder = write_run(tmp_path / 'a', config, steps_of(1.0, 1.0))
    (folder / 'epoch_2.pth').touch()
    (folder / 'last_checkpoint').write_text('/elsewhere/a/epoch_2.pth')
    assert read_run(folder).checkpoint == folder / 'epoch_2.pth'


def test_a_test_has_scores_and_the_file_that_it_tested(config, tmp_path):
    folder = write_run(tmp_path / 't', config, tested=dict(miou=0.4), load_from='a/epoch_2.pth')
    run = read_run(folder)
    assert run.tested == dict(miou=0.4) and str(run.checkpoint) == 'a/epoch_2.pth'
    assert list(run.remarks()) == []


def test_the_commit_is_that_of_the_log_or_of_the_step(config, tmp_path):
    folder = write_run(tmp_path / 'a', config, steps_of(1.0))
    assert 'commit' not in read_run(folder).facts
    (folder / 'step.json').write_text(json.dumps(dict(commit='abc')))
    assert read_run(folder).facts['commit'] == 'abc'
    with next(folder.glob('*/*.log')).open('a') as log:
        log.write('2026/01/01 10:03:00 - mmengine - INFO - commit: def+changes\n')
    assert read_run(folder).facts['commit'] == 'def+changes'


def test_half_finished_runs_and_lost_ones_are_remarked(config, tmp_path):
    half = read_run(write_run(tmp_path / 'half', config, steps_of(1.0)))
    (remark,) = half.remarks()
    assert 'half finished, epoch 1 of 2' in remark and remark.endswith('--resume')
    (remark,) = read_run(write_run(tmp_path / 'none', config)).remarks()
    assert 'has logged no step yet' in remark
    lost = write_run(tmp_path / 'lost', config, steps_of(1.0, float('nan')))
    (remark,) = read_run(lost).remarks()
    assert 'diverged from step 2 on' in remark
    (lost / 'non_finite_iter2').mkdir()
    (remark,) = read_run(lost).remarks()
    assert 'diverged at non_finite_iter2' in remark and 'tools/replay_step.py' in remark


def test_a_line_that_was_cut_off_at_the_end_is_left_out(config, tmp_path):
    folder = write_run(tmp_path / 'a', config, steps_of(1.0, 2.0))
    (log,) = folder.glob('*/vis_data/scalars.json')
    log.write_text(log.read_text() + '{"loss": 1.')
    assert len(read_run(folder).steps) == 2


@pytest.mark.parametrize(
    'line, said', [('{"loss": 1.', 'the log is damaged'), ('{"loss": 1}', 'no log of mmengine')]
)
def test_a_damaged_log_is_told(config, tmp_path, line, said):
    folder = write_run(tmp_path / 'a', config, steps_of(1.0))
    (log,) = folder.glob('*/vis_data/scalars.json')
    log.write_text(f'{line}\n{log.read_text()}')
    with pytest.raises(UsageError, match=f'line 1 of .*scalars.json must be .*{said}'):
        read_run(folder)


def test_what_is_no_work_dir_is_told(config, tmp_path):
    with pytest.raises(UsageError, match=r'work dir .*alnoe does not exist; the nearest .*/alone'):
        (tmp_path / 'alone').mkdir()
        read_run(tmp_path / 'alnoe')
    with pytest.raises(UsageError, match='a work dir must be .* but got .*alone: it is empty'):
        read_run(tmp_path / 'alone')
    (tmp_path / 'alone' / 'picture.png').touch()
    with pytest.raises(UsageError, match='it holds picture.png$'):
        read_run(tmp_path / 'alone')
    assert not is_work_dir(tmp_path / 'alone')
    inner = write_run(tmp_path / 'alone' / 'run', config)
    with pytest.raises(UsageError, match='its folders are some, name them: .*alone/run$'):
        read_run(tmp_path / 'alone')
    assert is_work_dir(inner)
