import time

import psutil
import pytest
from processes import run, run_group


def test_output_is_text():
    done = run(['bash', '-c', 'echo one; echo two >&2; exit 3'])
    assert (done.returncode, done.stdout, done.stderr) == (3, 'one\n', 'two\n')


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_takes_too_long_ends_with_its_descendants(tmp_path):
    begin = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match='ended after 1 s; said'):
        run(['bash', '-c', f'echo said >&2; (setsid sleep 99 & echo $! > {tmp_path}/pid; wait)'], 1)
    assert time.monotonic() - begin < 30
    pid = int((tmp_path / 'pid').read_text())
    while lives(pid):  # a signal takes its time on a busy machine
        assert time.monotonic() - begin < 60
        time.sleep(0.1)


def _sleep_or_answer(rank, seconds):
    time.sleep(seconds[rank])
    return rank


def test_ranks_answer_in_order():
    assert run_group(_sleep_or_answer, 2, [0.5, 0]) == [0, 1]


def test_a_rank_that_takes_too_long_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match='2 processes did not end _sleep_or_answer'):
        run_group(_sleep_or_answer, 2, [0, 99], timeout=1)
