import json
import os
import sys
import time

import pytest

from projects.SRKD.base import write_text
from projects.SRKD.base.errors import HeldError
from projects.SRKD.base.lock import folder_held, place_held
from studies.runs import (
    STAMP,
    Runs,
    StepFailed,
    finished_cache,
    last_checkpoint,
    read_metrics,
)


def script(text):
    return [sys.executable, '-c', text]


def product(folder):
    return (folder / 'product').read_text() if (folder / 'product').exists() else None


def appends(folder, word, then=''):
    return script(f'open({str(folder / "product")!r}, "a").write({word!r}); print("line"); {then}')


@pytest.fixture
def lines():
    return []


@pytest.fixture
def runs(tmp_path, lines):
    return Runs(tmp_path, total=3, echo=lines.append)


def test_finished_step_is_not_repeated(runs, tmp_path, lines):
    command = appends(tmp_path / 'a', 'x')
    assert runs.step('a', 'first', command, 'key', product) == 'x'
    assert 'line' in lines
    lines.clear()
    assert runs.step('a', 'first', command, 'key', product) == 'x'
    assert 'line' not in lines and 'done before' in lines[0] and '[2/3]' in lines[0]


def test_step_whose_key_changed_starts_in_an_empty_folder(runs, tmp_path):
    runs.step('a', 'first', appends(tmp_path / 'a', 'x'), 'key', product)
    assert runs.step('a', 'again', appends(tmp_path / 'a', 'y'), 'other', product) == 'y'


def test_a_step_that_another_process_runs_is_refused(runs, tmp_path):
    command = appends(tmp_path / 'a', 'x')
    with place_held(tmp_path / 'a', 'x'), pytest.raises(HeldError, match='step .*a must be writt'):
        runs.step('a', 'first', command, 'key', product)
    assert not (tmp_path / 'a').exists()
    assert runs.step('a', 'first', command, 'key', product) == 'x'
    with folder_held(tmp_path / 'a', 'work_dir'), pytest.raises(HeldError, match='changed step'):
        runs.step('a', 'again', command, 'other', product)  # somebody trains in it
    assert product(tmp_path / 'a') == 'x'


def test_interrupted_step_goes_on_with_the_resume_words(runs, tmp_path):
    folder = tmp_path / 'a'
    with pytest.raises(StepFailed):
        runs.step('a', 'first', appends(folder, 'x', 'raise SystemExit(3)'), 'key', product)
    text = f'import sys; open({str(folder / "product")!r}, "a").write(" ".join(sys.argv[1:]))'
    assert runs.step('a', 'again', script(text), 'key', product, ['--resume']) == 'x--resume'


def test_step_whose_product_vanished_is_repeated(runs, tmp_path):
    command = appends(tmp_path / 'a', 'x')
    runs.step('a', 'first', command, 'key', product)
    (tmp_path / 'a' / 'product').unlink()
    assert runs.step('a', 'again', command, 'key', product) == 'x'


def test_failure_tells_the_exit_code_the_log_and_the_last_lines(runs, tmp_path):
    command = script('print("before"); raise ValueError("teacher has no checkpoint")')
    with pytest.raises(StepFailed, match='exit code 1') as failure:
        runs.step('a', 'first', command, 'key', product)
    assert 'teacher has no checkpoint' in str(failure.value)
    log = tmp_path / 'a' / 'output.log'
    assert str(log) in str(failure.value) and 'before' in log.read_text()
    assert json.loads((tmp_path / 'a' / STAMP).read_text())['done'] is False


def test_command_that_leaves_nothing_is_a_failure(runs):
    with pytest.raises(StepFailed, match='left no result'):
        runs.step('a', 'first', script('pass'), 'key', product)


def test_folder_of_somebody_else_is_not_removed(runs, tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'thesis.txt').write_text('years of work')
    with pytest.raises(StepFailed, match='in the way'):
        runs.step('a', 'first', appends(tmp_path / 'a', 'x'), 'key', product)
    assert (tmp_path / 'a' / 'thesis.txt').exists()


def test_last_checkpoint_follows_a_moved_folder(tmp_path):
    assert last_checkpoint(tmp_path) is None
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/run/epoch_3.pth')
    assert last_checkpoint(tmp_path) is None
    (tmp_path / 'epoch_3.pth').touch()
    assert last_checkpoint(tmp_path) == tmp_path / 'epoch_3.pth'


def test_metrics_come_from_the_latest_test(tmp_path):
    for stamp, miou in (('20260101_000000', 0.1), ('20260102_000000', 0.2)):
        write_text(tmp_path / stamp / f'{stamp}.json', json.dumps({'miou': miou}))
    write_text(tmp_path / '20260103_000000' / 'scalars.json', '{}')
    assert read_metrics(tmp_path) == {'miou': 0.2}


def test_only_a_finished_cache_is_a_product(tmp_path):
    assert finished_cache(tmp_path) is None
    for finished, found in ((False, None), (True, tmp_path)):
        (tmp_path / 'cache.json').write_text(json.dumps({'finished': finished}))
        assert finished_cache(tmp_path) == found


def test_missing_metrics_are_a_failure(tmp_path):
    with pytest.raises(StepFailed, match='no metrics'):
        read_metrics(tmp_path)


def test_steps_side_by_side_share_the_cores_and_lead_their_lines(runs, lines, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 4)
    say = 'import os; print("threads", os.environ.get("OMP_NUM_THREADS"))'

    def step(name):
        command = script(f'{say}; open({str(runs.root / name / "product")!r}, "w").write("x")')
        return lambda: name + runs.step(name, name, command, 'key', product)

    assert runs.side_by_side(step('a'), step('b')) == ['ax', 'bx']
    assert {'a: threads 2', 'b: threads 2'} <= set(lines)
    step('c')()
    assert lines[-1] == 'threads None'  # alone again: all cores
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    runs.side_by_side(step('d'), step('e'))
    assert {'d: threads 3', 'e: threads 3'} <= set(lines)


def test_failure_side_by_side_waits_for_the_others(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'cpu_count', lambda: 2)

    def other():
        time.sleep(0.5)
        (tmp_path / 'done').touch()

    with pytest.raises(StepFailed, match='exit code 1'):
        runs.side_by_side(
            lambda: runs.step('a', 'a', script('raise SystemExit(1)'), 'key', product), other
        )
    assert (tmp_path / 'done').exists()


def test_lines_that_are_not_shown_are_kept_in_the_log(tmp_path):
    lines = []
    runs = Runs(tmp_path, total=1, echo=lines.append, shown=lambda line: 'loss' in line)
    text = 'print("config"); print("loss 1"); print("hooks")'
    runs.step('a', 'quiet', script(text), 'key', lambda folder: folder)
    assert lines[2:] == ['loss 1']
    assert (tmp_path / 'a' / 'output.log').read_text() == 'config\nloss 1\nhooks\n'


def test_a_demo_shows_progress_and_warnings_and_no_config():
    from studies.demo import _TELLING

    start = '11/28 07:02:59 - mmengine - '
    for line in ('INFO - Epoch(train) [1][1/1]  loss: 3.9', 'WARNING - disk is full', 'ERROR - x'):
        assert _TELLING.search(start + line)
    for line in ('INFO - Config:', 'INFO - Hooks will be executed', 'INFO - Saving checkpoint'):
        assert not _TELLING.search(start + line)
    assert not _TELLING.search('            dict(max_epochs=20,')
