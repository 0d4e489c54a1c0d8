"""Bars of one kind: redrawn on a terminal, a line every few seconds in a log."""

import io
import os
import sys
from pathlib import Path

import mmengine
import pytest
import tqdm.std
from processes import run

from projects.SRKD.base.progress import EVERY, progress

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass while an item is in hand."""
    now = [1000.0]
    monkeypatch.setattr(tqdm.std.tqdm, '_time', lambda self: now[0], raising=False)
    monkeypatch.setattr(tqdm.std, 'time', lambda: now[0])
    return now


def run_through(items, clock, seconds):
    for item in items:
        clock[0] += seconds
        yield item


def test_items_pass_and_a_quick_loop_writes_its_first_and_last_line(capsys, clock):
    items = [f'scan{i}' for i in range(640)]
    assert list(progress('stored', items)) == items
    lines = capsys.readouterr().err.split('\n')
    assert len(lines) == 3 and lines[2] == ''
    assert lines[0].startswith('stored: 0/640') and lines[1].startswith('stored: 640/640')


def test_a_log_gets_at_most_one_line_every_few_seconds(capsys, clock):
    items = [f'scan{i}' for i in range(640)]
    assert list(run_through(progress('stored', items), clock, 0.1)) == items
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == '' and '\r' not in err
    assert 64 / EVERY / 2 < len(lines) <= 64 / EVERY + 2
    assert lines[3].startswith('stored: ') and ', scan' in lines[3]


def test_slow_items_have_a_line_each(capsys, clock):
    list(run_through(progress('scans', iter('abc'), 3), clock, 2 * EVERY))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ['0/3', '1/3', '2/3', '3/3']


def test_a_terminal_sees_one_line_redrawn(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    list(run_through(progress('rooms', ['a', 'b']), clock, 1.0))
    text = terminal.getvalue()
    assert text.count('\n') == 1 and text.count('\r') >= 3 and '100%' in text


def test_a_loop_that_ends_early_tells_how_far_it_came(capsys, clock):
    for item in (loop := progress('rooms', ['a', 'b', 'c'])):
        if item == 'b':
            break
    loop.close()
    assert capsys.readouterr().err.splitlines()[-1].startswith('rooms: 1/3')


def test_it_can_be_silenced():
    path = ROOT / 'projects/SRKD/base/progress.py'  # alone: importing the package takes long
    code = f"import runpy; print(*runpy.run_path('{path}')['progress']('rooms', ['a']))"
    for silence, lines in (('', 2), ('1', 0)):
        done = run([sys.executable, '-c', code], env={**os.environ, 'TQDM_DISABLE': silence})
        assert done.stdout == 'a\n' and len(done.stderr.splitlines()) == lines, done.stderr


def test_loops_of_mmdet3d_write_as_little(capsys, clock):
    import projects.SRKD  # noqa: F401 - applies the cures

    scans = list(range(200))
    assert list(mmengine.track_iter_progress(scans)) == scans
    assert list(mmengine.track_iter_progress((iter(scans), 200))) == scans
    out, err = capsys.readouterr()
    assert out == '' and len(err.splitlines()) == 4


def test_nothing_here_draws_a_bar_of_its_own():
    own = ('ProgressBar', 'rich.progress', "'\\\\r", 'import tqdm')
    for folder in ('projects', 'tools', 'studies'):
        for path in (ROOT / folder).rglob('*.py'):
            if path.name not in ('progress.py', 'mmengine_progress.py'):
                assert not any(word in path.read_text() for word in own), path
