"""Other processes for tests, none of which can make a test wait for ever."""

import contextlib
import multiprocessing
import os
import pickle
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from projects.SRKD.engine import launch

# Seconds, many times what anything takes on a quiet machine: it ends what hangs, not what is slow.
# Below the time limit of one test (pyproject.toml), so that the message here comes first.
DEADLINE = 600

# What a fresh process takes most of its time for; here one process imports it and its forks
# are the ranks. Nothing has run in it, so no fork inherits threads, locks or random numbers.
multiprocessing.set_forkserver_preload(['projects.SRKD', 'pytest'])


def run(command: Sequence, timeout: float = DEADLINE, **options) -> subprocess.CompletedProcess:
    """``subprocess.run`` whose output is kept as text and whose descendants end in time.

    A pipe would stay open as long as any descendant lives, so the output goes to files.
    """
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stdout=out, stderr=err, text=True, **options)
        late = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
            _end(process.pid)
            process.wait()
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(words, process.returncode, out.read(), err.read())
    if late:
        pytest.fail(f'{" ".join(words)[:200]} was ended after {timeout} s; {done.stderr[-3000:]}')
    return done


def run_script(script: Path, *words, cwd: Path, timeout: float = DEADLINE):
    """A script of this repository in a process of its own that has imported everything.

    That it starts as users start it, from nothing, is for :func:`run` and one test of a script.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(word) for word in (script, *words)]
        process = multiprocessing.get_context('forkserver').Process(
            target=_script, args=(Path(folder), command, cwd)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            _end(process.pid)
            pytest.fail(f'{" ".join(command)[:200]} was ended after {timeout} s')
        out, err = ((Path(folder) / name).read_text() for name in ('out', 'err'))
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _script(folder, command, cwd):
    for name, number in dict(out=1, err=2).items():
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    torch.set_num_threads(1)
    os.chdir(cwd)
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name='__main__')


def start_forks(function: Callable, args: tuple = (), nprocs: int = 1, join: bool = True):
    """``torch.multiprocessing.spawn``, but of processes that have imported what they need."""
    return mp.start_processes(function, args, nprocs, join, start_method='forkserver')


def run_group(function: Callable, world: int, *args, timeout: float = DEADLINE) -> list:
    """Call ``function(rank, *args)`` in every process of a gloo group.

    Returns:
        What the calls returned, by rank.
    """
    with tempfile.TemporaryDirectory() as folder:
        ranks = start_forks(_rank, (world, Path(folder), function, args), nprocs=world, join=False)
        deadline = time.monotonic() + timeout
        try:
            while not ranks.join(timeout=min(5, timeout)):
                if time.monotonic() > deadline:
                    pytest.fail(f'{world} processes did not end {function.__name__} in {timeout} s')
        finally:
            for process in ranks.processes:
                process.kill()
        return [pickle.loads((Path(folder) / str(rank)).read_bytes()) for rank in range(world)]


def free_port() -> int:
    """A port that nobody has, below those the system gives to processes that take any."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(('127.0.0.1', port))
            return port
    pytest.fail('no free port')


def _rank(rank, world, folder, function, args):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=world
    )
    (folder / str(rank)).write_bytes(pickle.dumps(function(rank, *args)))
    dist.barrier()
    launch.leave()  # an interpreter that ends with DDP's threads alive may hang


def _end(pid: int) -> None:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
