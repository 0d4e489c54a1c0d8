import subprocess
import time

import psutil
import pytest
from processes import DEADLINE, run, run_group, run_script


def test_a_process_ends_before_its_test(request):
    assert float(request.config.getini('timeout')) > DEADLINE


def test_output_is_text():
    done = run(['bash', '-c', 'echo one; echo two >&2; exit 3'])
    assert (done.returncode, done.stdout, done.stderr) == (3, 'one\n', 'two\n')


def test_a_script_has_words_a_folder_and_an_exit_code_of_its_own(tmp_path):
    (tmp_path / 'script.py').write_text(
        'import os, sys\nprint(os.getcwd(), sys.argv[1:])\nos.system("echo child")\nsys.exit(3)\n'
    )
    done = run_script(tmp_path / 'script.py', 'a', 1, cwd=tmp_path)
    assert done.returncode == 3 and not done.stderr
    assert sorted(done.stdout.splitlines()) == sorted([f"{tmp_path} ['a', '1']", 'child'])
    (tmp_path / 'script.py').write_text('raise ValueError("why")')
    done = run_script(tmp_path / 'script.py', cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.endswith('ValueError: why\n')


def test_a_script_that_takes_too_long_fails_the_test(tmp_path):
    (tmp_path / 'script.py').write_text('import time\ntime.sleep(99)')
    with pytest.raises(pytest.fail.Exception, match='script.py was ended after 1 s'):
        run_script(tmp_path / 'script.py', cwd=tmp_path, timeout=1)


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_takes_too_long_ends_with_its_descendants(tmp_path, monkeypatch):
    def its_time_is_over(process, timeout=None):
        if timeout is not None:
            while not (tmp_path / 'ready').exists():
                time.sleep(0.05)
            raise subprocess.TimeoutExpired(process.args, timeout)
        return wait(process)

    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, 'wait', its_time_is_over)
    child = f'setsid sleep 999 & echo $! > {tmp_path}/pid'
    with pytest.raises(pytest.fail.Exception, match='ended after 7 s; said'):
        run(['bash', '-c', f'echo said >&2; ({child}; touch {tmp_path}/ready; wait)'], 7)
    while lives(int((tmp_path / 'pid').read_text())):  # a signal takes its time
        time.sleep(0.05)


def _sleep_or_answer(rank, seconds):
    time.sleep(seconds[rank])
    return rank


def test_ranks_answer_in_order():
    assert run_group(_sleep_or_answer, 2, [0.5, 0]) == [0, 1]


def test_a_rank_that_takes_too_long_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match='2 processes did not end _sleep_or_answer'):
        run_group(_sleep_or_answer, 2, [0, 99], timeout=1)
