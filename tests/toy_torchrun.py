"""torchrun's own agent without its slow imports: ranks are forks that run tools/train.py."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import time
from functools import partial
from pathlib import Path

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from processes import DEADLINE
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from projects.SRKD.base import UsageError
from projects.SRKD.engine import StopHook

REPO = Path(__file__).parents[1]


@HOOKS.register_module()
class ToyEnd(Hook):
    """Lets one rank end, or leave a mark, at the n-th time that it passes a point of its run."""

    priority = 'VERY_HIGH'

    def __init__(self, how, point='before_train_iter', nth=1, rank=1):
        self.left, self.how, self.rank = nth, how, rank
        setattr(self, point, self._pass)

    def _pass(self, runner, **arguments):
        self.left -= 1
        if self.left == 0 and get_rank() == self.rank:
            getattr(self, self.how)(runner)

    def killed(self, runner):
        os.kill(os.getpid(), signal.SIGKILL)

    def misused(self, runner):
        raise UsageError('what came must be another thing')

    def broken(self, runner):
        raise ZeroDivisionError('something else is wrong')

    def infinite(self, runner):
        runner.model.module.line.weight.data.fill_(torch.inf)

    def hangs(self, runner):
        time.sleep(DEADLINE)

    def marks(self, runner):
        """Leave a mark for :func:`torchrun`, and wait for its signal."""
        (Path(runner.work_dir) / 'mark').touch()
        stop = next(hook for hook in runner.hooks if isinstance(hook, StopHook))
        deadline = time.monotonic() + DEADLINE
        while not stop._listening.heard and time.monotonic() < deadline:
            time.sleep(0.02)


def torchrun(config: Path, work_dir: Path, *words, options=(), stop=None, timeout=DEADLINE):
    """Train in two processes.

    Args:
        config: A config file.
        work_dir: Of the run.
        words: Further words of the command line.
        options: ``KEY=VALUE`` of ``--cfg-options``.
        stop: A file; the agent gets SIGTERM when it is there.
        timeout: Seconds.

    Returns:
        Exit code of the agent, what each rank said, and seconds from ``stop`` or the start.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    for path in work_dir.glob('said*'):
        path.unlink()
    command = ['train.py', str(config), '--work-dir', str(work_dir), *words]
    command += [
        '--launcher',
        'pytorch',
        '--cfg-options',
        f'experiment_name={work_dir.name}{time.time_ns()}',
        *options,
    ]
    # autograd's threads, which there are beside a GPU, outlive no fork
    kind = 'forkserver' if torch.cuda.is_available() else 'fork'
    agent = multiprocessing.get_context(kind).Process(target=_agent, args=(command, work_dir))
    agent.start()
    begun = time.monotonic()
    while stop is not None and agent.is_alive() and not stop.exists():
        time.sleep(0.02)
    if stop is not None:
        begun = time.monotonic()
        os.kill(agent.pid, signal.SIGTERM)
    agent.join(timeout)
    assert agent.exitcode is not None, 'torchrun hangs'
    said = [(work_dir / f'said{rank}').read_text() for rank in range(2)]
    return agent.exitcode, said, time.monotonic() - begun


def _agent(command, work_dir):
    for number in (1, 2):
        os.dup2(os.open(work_dir / 'said_agent', os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend='c10d',
        rdzv_endpoint='localhost:0', run_id=str(os.getpid()), max_restarts=0,
        monitor_interval=0.1, start_method='fork',
    )  # fmt: skip
    elastic_launch(config, _rank)(command, work_dir)


def _rank(command, work_dir):
    said = work_dir / f'said{os.environ["RANK"]}'
    for number in (1, 2):
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout, sys.stderr = (
        os.fdopen(number, 'w', buffering=1) for number in (1, 2)
    )  # not pytest's
    torch.set_num_threads(1)
    sys.argv = command
    os._exit = partial(_leave, os._exit)
    with contextlib.suppress(_Left):
        runpy.run_path(str(REPO / 'tools/train.py'), run_name='__main__')


class _Left(BaseException):
    pass


def _leave(leave, code):
    os._exit = leave
    if code:
        leave(code)
    raise _Left  # the agent waits for what a function returns
