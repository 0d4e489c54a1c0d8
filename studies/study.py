"""Run a planned study: ``python -m studies.study --plan rooms-map``.

A plan fixes data, arms, pairs and comparisons before anything runs. What is missing is run, one
thread per run, as many at a time as there are cores; each finished run becomes a file of its own
in ``studies/results/NAME``, and the page beside them is written anew. Stopped at any instant it
goes on from there, on another machine, too, where the files were committed.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from projects.SRKD.base import UsageError, misuse_told
from studies.arms import Bench
from studies.plan import Arm, Plan
from studies.plan_file import read_plan
from studies.report import Report
from studies.run_store import Result, RunStore, State, code_digest
from studies.runs import StepFailed

_DIVERGED = re.compile(r'.*is not finite.*')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Run a planned study, or go on with it')
    parser.add_argument('--plan', required=True, help='file, or its name in studies/plans')
    parser.add_argument('--arms', nargs='+', help='these arms alone')
    parser.add_argument('--pairs', type=int, nargs='+', help='these pairs alone')
    parser.add_argument('--data-root', type=Path, help='data of a plan that does not make its own')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/studies/NAME')
    parser.add_argument('--results', type=Path, help='default: studies/results/NAME')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs side by side; default: one per core'
    )
    parser.add_argument(
        '--device', help='cpu, or the number of a GPU; default: what torch finds first'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='only say what is missing and how long it will take'
    )
    parser.add_argument(
        '--renew-other-code', action='store_true', help='repeat runs of earlier code, too'
    )
    return parser.parse_args()


class Study:
    """A plan, its results, and what makes them.

    Args:
        plan: The plan.
        args: Command line.
    """

    def __init__(self, plan: Plan, args: argparse.Namespace) -> None:
        self.plan, self.args = plan, args
        self.store = RunStore(plan, args.results)
        work_dir = args.work_dir or Path('work_dirs') / 'studies' / plan.name
        self.bench = Bench(plan, work_dir, args.data_root)
        self.code = code_digest()

    def states(self) -> dict[tuple[str, int], State]:
        """What is known of every run that is asked for."""
        asked = [(arm, pair) for arm, pair in self.plan.runs if self._asked(arm, pair)]
        if not asked:
            raise UsageError(
                f'--arms and --pairs must leave a run of {self.plan.name}, but left none: it has '
                f'the arms {", ".join(self.plan.arms)}'
            )
        return {
            (arm.name, pair): self.store.state(arm.name, pair, self.bench.key(arm, pair), self.code)
            for arm, pair in asked
        }

    def to_do(self) -> list[tuple[Arm, int]]:
        """Runs that are missing or stale, pair by pair."""
        again = {State.MISSING, State.STALE}
        if self.args.renew_other_code:
            again.add(State.OTHER_CODE)
        states = self.states()
        return [(self.plan.arms[name], pair) for (name, pair), of in states.items() if of in again]

    def seconds(self, arm: Arm) -> float | None:
        """How long a run takes: as measured, as planned, or as others by their length."""
        done = [(name, r.seconds) for (name, _), r in self.store.all().items() if r.seconds]
        own = [seconds for name, seconds in done if name == arm.name]
        if own:
            return median(own)
        if arm.minutes is not None:
            return 60 * arm.minutes
        arms = self.plan.arms
        rates = [seconds / arms[name].epochs for name, seconds in done if arms[name].epochs]
        return arm.epochs * median(rates) if rates and arm.epochs else None

    def forecast(self, runs: list[tuple[Arm, int]]) -> str:
        """What is to come, in a sentence."""
        times = [self.seconds(arm) for arm, _ in runs]
        known = [seconds for seconds in times if seconds is not None]
        text = f'{len(runs)} runs to go'
        if known:
            hours = sum(known) * len(runs) / len(known) / 3600
            text += f', {hours:.1f} core-hours, about {hours / self.args.jobs:.1f} h here'
        else:
            text += '; how long they take is known after the first'
        return f'{text} ({self.args.jobs} at a time)'

    def run(self) -> None:
        """Do what is missing.

        Raises:
            StepFailed: The first failure that is not a divergence, after all other runs.
        """
        runs = self.to_do()
        print(f'{self.plan.title}: {self.forecast(runs)}', flush=True)
        if self.args.dry_run or not runs:
            return
        self.bench.prepare({arm.teacher for arm, _ in runs if arm.teacher})
        self.score_teachers()
        failures = []
        with _pool(self.args.jobs) as pool:
            futures = {pool.submit(self.one, arm, pair): (arm, pair) for arm, pair in runs}
            for future in as_completed(futures):
                arm, pair = futures.pop(future)
                error = future.exception()
                if isinstance(error, StepFailed):
                    failures.append(error)
                    print(f'{arm.name} {pair}: FAILED: {error}', flush=True)
                    continue
                self.tell(future.result(), list(futures.values()))
                self.write_page()
        if failures:
            raise failures[0]

    def write_page(self) -> Path:
        """Write the page from what there is."""
        return Report(self.plan, self.store, self.bench).write()

    def score_teachers(self) -> None:
        """Test every trained teacher on the data of the study, once."""
        for name, of in self.plan.teachers.items():
            key, arm = self.bench.teacher_key(name), f'teacher_{name}'
            known = self.store.read(arm, 0)
            if of.checkpoint is None or (known is not None and known.key == key):
                continue
            result = Result(
                plan=self.plan.name,
                arm=arm,
                pair=0,
                key=key,
                code=self.code,
                claims=self.plan.claims,
                commit=self.bench.commit,
                metrics=self.bench.teacher_metrics(name),
            )
            self.store.write(result)
            first = self.plan.metrics[0]
            print(f'teacher {name}: {first} {100 * result.metrics[first]:.2f}', flush=True)

    def one(self, arm: Arm, pair: int) -> Result:
        """Train, test and keep one run; a loss that is not finite is its result."""
        known = dict(
            plan=self.plan.name,
            arm=arm.name,
            pair=pair,
            key=self.bench.key(arm, pair),
            code=code_digest(),  # now: a study of hours may meet a change
            claims=self.plan.claims,
        )
        try:
            found = self.bench.run(arm, pair, known['code'])
        except StepFailed as error:
            told = _DIVERGED.search(str(error))
            if told is None:
                raise
            found = dict(commit=self.bench.commit, diverged=told.group().strip())
        first = self.plan.metrics[0]
        if found.get('metrics') and first not in found['metrics']:
            found['diverged'] = f'{first} of the test is not finite'
        result = Result(**known, **found)
        self.store.write(result)
        return result

    def tell(self, result: Result, left: list[tuple[Arm, int]]) -> None:
        """Print a finished run and what is left."""
        first = self.plan.metrics[0]
        score = result.diverged or f'{first} {100 * result.metrics[first]:.2f}'
        when = time.strftime('%H:%M')
        print(
            f'{when} {result.arm} {result.pair}: {score} in {result.seconds / 60:.1f} min; '
            f'{self.forecast(left)}',
            flush=True,
        )

    def _asked(self, arm: Arm, pair: int) -> bool:
        for option, value, known in (
            ('--arms', self.args.arms, self.plan.arms),
            ('--pairs', self.args.pairs, {seed for _, seed in self.plan.runs}),
        ):
            unknown = set(value or ()) - set(known)
            if unknown:
                raise UsageError(
                    f'{option} must be of plan {self.plan.name} ({", ".join(map(str, known))}), '
                    f'but got {", ".join(map(str, sorted(unknown)))}'
                )
        return (not self.args.arms or arm.name in self.args.arms) and (
            not self.args.pairs or pair in self.args.pairs
        )


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing new once something was raised: Ctrl-C, or a mistake of use."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def main() -> None:
    """Run a study; a failed run ends it with its message and exit code 1."""
    args = parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    if args.device is not None:
        os.environ['CUDA_VISIBLE_DEVICES'] = '' if args.device == 'cpu' else args.device
    with misuse_told('study.py'):
        study = Study(read_plan(args.plan), args)
        try:
            study.run()
        except StepFailed as error:
            sys.exit(f'\nstudy stopped: {error}')
        if not args.dry_run:
            print(f'page: {study.write_page()}')


if __name__ == '__main__':
    main()
