"""Kill trainings anywhere, resume them, and compare with the run that nobody killed, bit for bit.

    python tests/kills.py --kills 200 --out benchmarks/KILLS.md

Of the kills 60 % come at any moment after the first checkpoint, 20 % inside a write (checkpoint,
note, statistics of the data, a teacher's cache, a data set), 10 % in a validation, and 10 % end a
loader's worker. Equal means: files, weights, averages, optimizer, schedules, connectors, best score
and every logged number. All processes are forks of this one; it takes about 5 s a kill.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import torch
from kill_runs import NUM_CLASSES, RUNS, differences, outcome, prepare, started
from killed import Killer, forked
from mmengine.hooks import Hook
from torch.utils.data import get_worker_info
from toy import minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config, write

from projects.MiniScenes.rooms import write_scannet as write_rooms
from projects.SRKD.base import FileInTheWayError
from projects.SRKD.datasets.sample_draws import SampleFetcher

WITH_WORKERS = ('epochs', 'mid_epoch')
_ATTEMPTS = 20  # a run may be over before it is killed
POINTS_OF_VALIDATION = (
    ('before_val_epoch', 0, 2),  # name, priority, how many there are in a run at least
    ('after_val_iter', 50, 6),
    ('after_val_epoch', 0, 2),  # before anything follows the scores
    ('after_val_epoch', 80, 2),  # before the best checkpoint
    ('after_val', 100, 2),
)
NAMES = dict(
    checkpoint=('.pth',), note=('last_checkpoint', 'last_validation'), statistics=('.classes.npz',)
)


_counting: list[Killer] = []


class DieAt(Hook):
    """Calls something at the n-th time that a run passes a point."""

    def __init__(self, point: str, nth: int, then, priority: int = 100):
        self.left, self.then, self.priority = nth, then, priority
        setattr(self, point, self._pass)

    def _pass(self, runner, **arguments):
        self.left -= 1
        if self.left == 0:
            self.then()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker():
    workers = multiprocessing.active_children()
    if workers:
        os.kill(workers[0].pid, signal.SIGKILL)


def at_hook(runner, *arguments):
    if runner is not None:
        runner.register_hook(DieAt(*arguments))


def at_sample(runner, nth):
    """Let the worker that loads its n-th sample die at it."""
    if runner is None:
        return
    fetch, count = SampleFetcher._fetch, Counter()

    def fetch_or_die(self, draw):
        count['samples'] += 1
        if get_worker_info() is not None and count['samples'] == nth:
            die()
        return fetch(self, draw)

    SampleFetcher._fetch = fetch_or_die


def at_write(runner, at, kind, halfway):
    if runner is None:
        Killer(at, NAMES[kind], halfway)


def count_writes(runner, kind, halfway):
    """Write down at the end how often a run writes."""
    if runner is None:
        _counting[:] = [Killer(None, NAMES[kind], halfway)]
        return
    path = Path(runner.work_dir) / 'writes'
    runner.register_hook(DieAt('after_run', 1, lambda: path.write_text(str(_counting[0].seen))))


class Kills:
    """Runs that were not killed, and what becomes of those that are.

    Args:
        root: Folder for all of it.
        seed: Of moments and places.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.rng = root, random.Random(seed)
        self.expected, self.spans, self.writes = {}, {}, {}
        self.tried, self.equal, self.wrong = Counter(), Counter(), []
        self.patience = 1.0
        prepare(root)
        for run in RUNS:
            begun = time.monotonic()
            assert self.run_to_end(run, root / run / 'whole') == 0, f'{run} does not run at all'
            self.spans[run] = time.monotonic() - begun
            self.expected[run] = outcome(root / run / 'whole')

    def run_to_end(self, run: str, work_dir: Path, arm=None) -> int:
        process = started(self.root / run / 'run.py', work_dir, arm)
        process.join(300)
        return process.exitcode

    # one kill each: returns whether there was one

    def at_a_moment(self, run: str, work_dir: Path, number: int) -> bool:
        share = self.rng.random()
        process = started(self.root / run / 'run.py', work_dir)
        while process.is_alive() and not (work_dir / 'last_checkpoint').exists():
            time.sleep(0.002)
        # half of it goes before the first checkpoint; on a busy machine even less is left
        process.join(share * self.patience * self.spans[run] / 2)
        process.kill()
        process.join()
        return process.exitcode == -signal.SIGKILL

    def in_a_write(self, run: str, work_dir: Path, kind: str, number: int) -> bool:
        halfway = kind == 'checkpoint' and number % 2 == 0
        if (run, kind, halfway) not in self.writes:
            counted = self.root / run / f'counted_{kind}_{halfway}'
            self.without_statistics(run)
            count = partial(count_writes, kind=kind, halfway=halfway)
            assert self.run_to_end(run, counted, count) == 0
            self.writes[run, kind, halfway] = int((counted / 'writes').read_text())
        at = self.rng.randint(1, self.writes[run, kind, halfway])
        self.without_statistics(run)
        arm = partial(at_write, at=at, kind=kind, halfway=halfway)
        return self.run_to_end(run, work_dir, arm) == -signal.SIGKILL

    def without_statistics(self, run: str) -> None:
        for path in (self.root / run / 'data').glob('*.classes.npz'):
            path.unlink()

    def in_validation(self, run: str, work_dir: Path, number: int) -> bool:
        point, priority, most = POINTS_OF_VALIDATION[number % len(POINTS_OF_VALIDATION)]
        arm = partial(_arm, at_hook, (point, self.rng.randint(1, most), die, priority))
        return self.run_to_end(run, work_dir, arm) == -signal.SIGKILL

    def in_a_worker(self, run: str, work_dir: Path, number: int) -> bool:
        if number % 2:
            arm = partial(at_sample, nth=self.rng.randint(1, 5))
        else:
            arm = partial(_arm, at_hook, ('after_train_iter', self.rng.randint(1, 8), kill_worker))
        return self.run_to_end(run, work_dir, arm) != 0

    # a kill, the resume, the comparison

    def training(self, kind: str, method: str, run: str) -> None:
        """Kill, resume and compare; tried anew where the run was faster than its killer."""
        kill, written = getattr(self, method), kind.partition(': ')[2]
        if written:
            kill = partial(kill, kind=written)
        run = 'iterations' if written == 'statistics' else run  # its labels are drawn by classes
        for attempt in range(_ATTEMPTS):
            self.patience = 1 - attempt / (_ATTEMPTS - 1)
            number = self.tried[kind]
            work_dir = self.root / run / f'{kind.replace(" ", "_")}{number}_{attempt}'
            if kill(run, work_dir, number=number):
                break
            shutil.rmtree(work_dir)
        else:
            raise RuntimeError(f'no run of {run} could be killed: {kind}')
        code = self.run_to_end(run, work_dir)
        wrong = [f'exit code {code}']
        if code == 0:
            wrong = differences(outcome(work_dir), self.expected[run])
        self.note(kind, run, wrong, work_dir)

    def of_cache(self, kind: str) -> None:
        """Kill the writing of a cache, go on, and compare its files."""
        folder = self.root / 'cached'
        if not folder.exists():
            folder.mkdir()
            teacher = minkunet(8, num_classes=NUM_CLASSES)
            teacher = dict(config=teacher, checkpoint=save_checkpoint(teacher, folder / 't.pth'))
            self.cached = cached_config(write_scannet(folder / 'data', 3, 1, 100), folder, teacher)
            forked(_write_cache, self.cached, None, folder / 'whole')
        self.files(kind, partial(_write_cache, self.cached), folder)

    def of_data(self, kind: str) -> None:
        """Kill the writing of procedural rooms, write them again, and compare their files."""
        folder = self.root / 'rooms'
        if not folder.exists():
            folder.mkdir()
            forked(_write_rooms, None, folder / 'whole')
        self.files(kind, _write_rooms, folder)

    def files(self, kind: str, function, folder: Path) -> None:
        steps = int((folder / 'whole.steps').read_text())
        killed = folder / f'killed{self.tried[kind]}'
        assert forked(function, self.rng.randint(1, steps), killed) == -signal.SIGKILL
        code = forked(function, None, killed)
        wrong = [f'exit code {code}']
        if code == 0:
            wrong = differences(_content(killed), _content(folder / 'whole'))
        self.note(kind, folder.name, wrong, killed)

    def note(self, kind: str, run: str, wrong: list, folder: Path) -> None:
        self.tried[kind] += 1
        self.equal[kind] += not wrong
        if wrong:
            told = ', '.join(map(str, wrong))[:400]
            self.wrong.append(f'{kind} {self.tried[kind]} ({run}): {told}')
            print(self.wrong[-1], flush=True)
        shutil.rmtree(folder)


def plan(kills: int) -> list[tuple]:
    """A kill an entry: name of a method of Kills, and its arguments."""
    writes, others = max(6, kills // 5), max(2, kills // 10)
    in_turn = list(RUNS)
    jobs = []
    for number in range(kills - writes - 2 * others):
        jobs.append(('training', 'any moment', 'at_a_moment', in_turn[number % 3]))
    for number in range(writes):
        name = ('checkpoint', 'note', 'checkpoint', 'statistics', 'cache', 'data')[number % 6]
        kind = f'inside a write: {name}'
        if name in ('cache', 'data'):
            jobs.append((f'of_{name}', kind))
        else:
            jobs.append(('training', kind, 'in_a_write', in_turn[number % 3]))
    for number in range(others):
        jobs.append(('training', 'in a validation', 'in_validation', in_turn[number % 3]))
        jobs.append(('training', 'in a worker', 'in_a_worker', WITH_WORKERS[number % 2]))
    return jobs


def do(jobs: list[tuple], seed: int, results: Path) -> None:
    """Do some of the plan in a folder of its own, and write down what came of it."""
    with tempfile.TemporaryDirectory(prefix='kills') as root:
        kills = Kills(Path(root), seed)
        for method, *arguments in jobs:
            getattr(kills, method)(*arguments)
            results.write_text(json.dumps([kills.tried, kills.equal, kills.wrong]))


def together(kills: int, seed: int, processes: int) -> tuple[Counter, Counter, list]:
    """Do the plan in some processes side by side."""
    jobs = plan(kills)
    random.Random(seed).shuffle(jobs)  # else kinds and runs fall to one process each
    context = multiprocessing.get_context('fork')
    tried, equal, wrong = Counter(), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / str(part) for part in range(processes)]
        running = [
            context.Process(target=do, args=(jobs[part::processes], seed + part, path))
            for part, path in enumerate(parts)
        ]
        for process in running:
            process.start()
        for process in running:
            process.join()
            if process.exitcode:
                sys.exit('kills.py: the runs themselves do not run; see above')
        for path in parts:
            one, other, told = json.loads(path.read_text())
            tried, equal, wrong = tried + Counter(one), equal + Counter(other), wrong + told
    return tried, equal, wrong


def _arm(function, arguments, runner):
    function(runner, *arguments)


def _write_cache(config, at, folder):
    torch.set_num_threads(1)
    killer = Killer(at, ('.npy', '.json'))
    write(config, folder)
    folder.with_suffix('.steps').write_text(str(killer.seen))


def _write_rooms(at, folder):
    torch.set_num_threads(1)
    killer = Killer(at, (folder.name,))
    # no progress; refused where it was killed behind its last step: then the data set is compared
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(FileInTheWayError):
        write_rooms(folder, scenes=2, val_scenes=1, seed=0, points=200)
    folder.with_suffix('.steps').write_text(str(killer.seen))


def _content(folder: Path) -> dict:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().hex() for path in files}


def table(tried: Counter, equal: Counter, wrong: list, command: str, minutes: float) -> str:
    """The results as a page."""
    rows = [(kind, tried[kind], equal[kind]) for kind in sorted(tried)]
    rows.append(('**all**', sum(tried.values()), sum(equal.values())))
    lines = [
        '# Runs that were killed',
        '',
        f'`{command}`, {minutes:.0f} minutes on {os.cpu_count()} cores with other work; '
        f'Python {platform.python_version()}, torch {torch.__version__}.',
        '',
        'Each row: processes ended by SIGKILL, and how many of them, once resumed, ended as the '
        'run that nobody killed: files, weights, averages, optimizer, schedules, connectors, best '
        'score and every logged number, bit for bit. What is run and compared: '
        '[kill_runs.py](../tests/kill_runs.py).',
        '',
        '| killed | kills | equal at the end |',
        '|---|---|---|',
        *(f'| {kind} | {tried} | {equal} |' for kind, tried, equal in rows),
        *[f'\n{line}' for line in wrong],
    ]
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Kill as often as the command line says; exit code 1 if a run ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=20, help='how many (default 20)')
    parser.add_argument('--seed', type=int, default=0, help='of moments and places (default 0)')
    parser.add_argument('--out', type=Path, help='file for the table')
    parser.add_argument('--processes', type=int, default=1, help='side by side (default 1)')
    args = parser.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = ''  # a process that uses a GPU cannot fork
    torch.set_num_threads(1)
    begun = time.monotonic()
    tried, equal, wrong = together(args.kills, args.seed, args.processes)
    command = f'python tests/kills.py --kills {args.kills} --processes {args.processes}'
    page = table(tried, equal, wrong, command, (time.monotonic() - begun) / 60)
    print(page)
    if args.out:
        args.out.write_text(page)
    sys.exit(bool(wrong))


if __name__ == '__main__':
    main()
