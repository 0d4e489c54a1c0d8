"""Two real processes: the second is told who the first is, a killed one is in nobody's way."""

import errno
import fcntl
import json
import multiprocessing
import os
import re
import signal
import socket
import time

import pytest
from killed import forked
from processes import DEADLINE

from projects.SRKD.base import NotWritableError, UsageError, misuse_told
from projects.SRKD.base.errors import HeldError
from projects.SRKD.base.lock import folder_held, place_held

FORK = multiprocessing.get_context('fork')
LOCKS = pytest.mark.parametrize('lock', [folder_held, place_held])


@pytest.fixture
def start():
    """Start processes that are killed at the end; returns when the first has said something."""
    started = []

    def start(function, *args):
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=function, args=(theirs, *args))
        process.start()
        started.append(process)
        assert ours.poll(DEADLINE), 'a process hangs'
        return process, ours.recv()

    yield start
    for process in started:
        process.kill()
        process.join()


def hold(pipe, lock, path):
    with lock(path, 'work_dir'):
        pipe.send('held')
        time.sleep(DEADLINE)


def ask(lock, path):
    with misuse_told('tool.py'), lock(path, 'work_dir'):
        pass


@LOCKS
def test_a_second_process_is_told_who_the_first_is_and_ends_with_2(start, lock, tmp_path, capfd):
    process, _ = start(hold, lock, tmp_path / 'run')
    assert forked(ask, lock, tmp_path / 'run') == 2
    assert re.fullmatch(
        rf'tool.py: work_dir {tmp_path}/run must be written by one process at a time, but got a '
        rf'second one: process {process.pid} on {re.escape(socket.gethostname())}, since '
        r'20\d\d-\d\d-\d\d \d\d:\d\d:\d\d, `.*py.*`, has it; wait for its end, or name another '
        r'place\n',
        capfd.readouterr().err,
    )
    assert forked(ask, lock, tmp_path / 'other') == 0


@LOCKS
def test_a_killed_process_is_in_nobodys_way(start, lock, tmp_path):
    process, _ = start(hold, lock, tmp_path / 'run')
    process.kill()
    process.join()
    left = list(tmp_path.rglob('*lock'))
    assert len(left) == 1 and json.loads(left[0].read_text())['pid'] == process.pid
    with lock(tmp_path / 'run', 'work_dir'):
        assert json.loads(left[0].read_text())['pid'] == os.getpid()
    assert not left[0].exists()


def hold_with_a_worker(pipe, path):
    with folder_held(path, 'work_dir'):
        worker = os.fork()
        if worker:
            pipe.send(worker)
        time.sleep(DEADLINE)


def test_workers_that_outlive_a_killed_training_hold_nothing(start, tmp_path):
    process, worker = start(hold_with_a_worker, tmp_path)
    try:
        with pytest.raises(HeldError):
            ask_here(tmp_path)
        process.kill()
        process.join()
        os.kill(worker, 0)  # it lives
        ask_here(tmp_path)
    finally:
        os.kill(worker, signal.SIGKILL)


def ask_here(path):
    with folder_held(path, 'work_dir'):
        pass


def end_inside(path):
    with folder_held(path, 'work_dir'):
        if os.fork() == 0:
            return  # out of the block, in a fork
        os.wait()
        assert (path / '.lock').exists()


def test_a_fork_that_ends_inside_leaves_the_lock_to_its_parent(tmp_path):
    assert forked(end_inside, tmp_path) == 0


def test_what_was_made_for_the_lock_alone_goes_again(tmp_path):
    with folder_held(tmp_path / 'a/b', 'work_dir'):
        assert os.listdir(tmp_path / 'a/b') == ['.lock']
    assert os.listdir(tmp_path) == []
    with folder_held(tmp_path / 'a/b', 'work_dir'):
        (tmp_path / 'a/b/kept').touch()
    assert os.listdir(tmp_path / 'a/b') == ['kept']
    with pytest.raises(KeyboardInterrupt), place_held(tmp_path / 'c', '--out'):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ['a']


def take_turns(path, count, seen):
    for _ in range(count):
        try:
            with folder_held(path, 'work_dir'):
                (path / 'alone').mkdir()  # fails if somebody is here
                (path / 'alone').rmdir()
        except HeldError:
            continue
        with seen.get_lock():
            seen.value += 1


def test_two_are_never_in_it_whoever_makes_and_removes_the_folder(tmp_path):
    seen = FORK.Value('i', 0)
    processes = [
        FORK.Process(target=take_turns, args=(tmp_path / 'a', 300, seen)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert seen.value > 0 and list(tmp_path.rglob('.lock')) == []


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def none(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, 'flock', none)
    with pytest.warns(UserWarning, match='of .* has no locks .No locks available.: see to it'):
        ask_here(tmp_path)


def test_a_place_that_takes_no_file_is_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(NotWritableError, match='file/.lock cannot be written: (File|Not a dir)'):
        ask_here(tmp_path / 'file')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder/.lock').symlink_to(tmp_path / 'not/there')
    with pytest.raises(NotWritableError, match='.lock cannot be written: No such file'):
        ask_here(tmp_path / 'folder')


def test_a_note_that_is_not_written_yet_is_no_fault(start, tmp_path):
    start(hold, folder_held, tmp_path)
    (tmp_path / '.lock').write_text('{"pid": 3')
    with pytest.raises(UsageError, match='second one: another process has it'):
        ask_here(tmp_path)
