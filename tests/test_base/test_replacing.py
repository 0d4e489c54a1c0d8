"""A folder takes the place of another: killed at any step, one of both is there and whole."""

import errno
import os
import signal
import sys

import pytest
from killed import forked

from projects.SRKD.base import NotWritableError, replacing
from projects.SRKD.base.data_folder import new_folder
from projects.SRKD.base.replacing import exchange, put_back, put_in_place

STEPS = ('open', 'os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'shutil.rmtree')
EXCHANGES = pytest.mark.parametrize('can_exchange', [True, False])


def fill(folder, word):
    folder.mkdir(exist_ok=True)
    (folder / 'deep').mkdir()
    for name in ('a', 'b', 'deep/c'):
        (folder / name).write_text(word)


def content(folder):
    return sorted(path.read_text() for path in folder.rglob('*') if path.is_file())


def replace(out, can_exchange, at=None, counted=None):
    """Replace a data set by ``new``; killed in front of step ``at`` of what it does to files."""
    seen = 0

    def step(event='', args=()):
        nonlocal seen
        if event in STEPS or not event:
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    def stepping(one, other):
        step()
        return can_exchange and exchange(one, other)

    replacing.exchange = stepping
    sys.addaudithook(step)
    with new_folder(out, force=True) as folder:
        fill(folder, 'new')
    at = None
    counted.write_text(str(seen))


@EXCHANGES
def test_killed_at_any_step_the_old_or_the_new_is_whole_and_the_next_run_sweeps(
    tmp_path, can_exchange
):
    place = tmp_path / 'place'
    place.mkdir()
    old, new = ['old'] * 3, ['new'] * 3
    fill(place / 'out', 'old')
    assert forked(replace, place / 'out', can_exchange, None, tmp_path / 'count') == 0
    steps = int((tmp_path / 'count').read_text())
    assert steps > 15 and content(place / 'out') == new
    found = []
    for at in range(1, steps + 1):
        out = place / 'out'
        replacing.remove(out)
        fill(out, 'old')
        code = forked(replace, out, can_exchange, at, tmp_path / 'count')
        assert code == -signal.SIGKILL, at
        if not out.exists():  # between two renamings, where names cannot be exchanged
            assert not can_exchange
            put_back(out)
        found.append(content(out))
        assert found[-1] in (old, new), at
        again = forked(replace, out, can_exchange, None, tmp_path / 'count')
        assert again == 0 and content(out) == new and os.listdir(place) == ['out'], at
    assert old in found and new in found


@EXCHANGES
@pytest.mark.parametrize('kind', ['folder', 'link', 'file', 'nothing'])
def test_whatever_has_the_name_goes(tmp_path, monkeypatch, can_exchange, kind):
    if not can_exchange:
        monkeypatch.setattr(replacing, 'exchange', lambda one, other: False)
    out = tmp_path / 'out'
    fill(tmp_path / 'mine', 'mine')
    if kind == 'folder':
        fill(out, 'old')
    elif kind == 'link':
        out.symlink_to(tmp_path / 'mine')
    elif kind == 'file':
        out.write_text('old')
    fill(tmp_path / 'part', 'new')
    put_in_place(tmp_path / 'part', out)
    assert content(out) == ['new'] * 3 and not out.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ['mine', 'out']
    assert content(tmp_path / 'mine') == ['mine'] * 3  # what a link shows is not removed


def test_what_the_system_refuses_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    rename = os.rename

    def refuse(one, other):
        if one == tmp_path / 'part':
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(one, other)

    monkeypatch.setattr(replacing, 'exchange', lambda one, other: False)
    monkeypatch.setattr(os, 'rename', refuse)
    fill(tmp_path / 'out', 'old')
    fill(tmp_path / 'part', 'new')
    with pytest.raises(NotWritableError, match='out cannot be written: Device or resource busy'):
        put_in_place(tmp_path / 'part', tmp_path / 'out')
    assert content(tmp_path / 'out') == ['old'] * 3
    assert sorted(os.listdir(tmp_path)) == ['out', 'part']


def test_names_change_places(tmp_path):
    fill(tmp_path / 'one', 'one')
    (tmp_path / 'other').write_text('other')
    if not exchange(tmp_path / 'one', tmp_path / 'other'):
        pytest.skip('names cannot be exchanged on this file system')
    assert content(tmp_path / 'other') == ['one'] * 3
    assert (tmp_path / 'one').read_text() == 'other'
    assert not exchange(tmp_path / 'one', tmp_path / 'gone')
