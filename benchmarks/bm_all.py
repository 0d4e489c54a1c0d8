"""Run every benchmark and write one table: ``python benchmarks/bm_all.py`` (``make bench``).

Sizes are chosen for two CPU cores; the table says how many minutes it took. Each benchmark is a
process of its own. The goals that they print are collected at the top of
``benchmarks/RESULTS.md``, their output follows.

    python benchmarks/bm_all.py [--only bm_ptv3 bm_step] [--out benchmarks/RESULTS.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from arguments import GOAL

HERE = Path(__file__).resolve().parent
# What runs by default, one line per process. Plain training steps of the base model, or of 60,152
# voxels (more than 16 GiB), are left to whoever has time or memory.
COMMANDS = (
    'bm_affinity',
    'bm_cross_sample',
    'bm_local_graph --repeats 1',
    'bm_ptv3 --modes eval --repeats 2',
    'bm_ptv3 --modes train --sizes half --voxels 31834',
    'bm_step --pairs mini half --repeats 3',
    'bm_finite_step --pairs mini half --clouds 2 --repeats 3',
    'bm_cache --pairs mini half --repeats 3',
    'bm_processes',
    'bm_data',
    'bm_batch_sampler',
    'bm_export',
    'bm_memory --threads 1',
    'bm_large',
)
TAKES_DEVICE = (
    'bm_affinity', 'bm_cross_sample', 'bm_local_graph', 'bm_ptv3', 'bm_step', 'bm_finite_step',
    'bm_cache', 'bm_data',
)  # fmt: skip


class Run(NamedTuple):
    """What a benchmark said."""

    command: str
    output: str
    seconds: float
    failed: bool


def run(command: str, device: str) -> Run:
    """Run one benchmark and show what it prints as it comes."""
    name, *words = command.split()
    if device != 'cpu' and name in TAKES_DEVICE:
        words += ['--device', device]
    paths = [str(HERE.parent), os.environ.get('PYTHONPATH', '')]
    environment = os.environ | dict(
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
        TQDM_DISABLE='1',  # no progress bars
    )
    start, lines = time.perf_counter(), []
    with subprocess.Popen(
        [sys.executable, '-u', str(HERE / f'{name}.py'), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    ) as process:  # fmt: skip
        for line in map(bytes.decode, process.stdout):
            print(line, end='', flush=True)
            if '\r' not in line and tempfile.gettempdir() not in line:  # progress bars, loading
                lines.append(line)
    taken = time.perf_counter() - start
    return Run(' '.join([name, *words]), ''.join(lines), taken, process.returncode != 0)


def goals(runs: list[Run]) -> list[list[str]]:
    """The goal lines of all benchmarks: what, measured, goal, whether met.

    Example:
        >>> goals([Run('bm_x', 'size\\ngoal | speed | 3x | >= 2x | met\\n', 1.0, False)])
        [['speed', '3x', '>= 2x', 'met']]
    """
    lines = [line for run in runs for line in run.output.splitlines()]
    return [line.removeprefix(GOAL).split(' | ') for line in lines if line.startswith(GOAL)]


def report(runs: list[Run], device: str) -> str:
    """All of it in Markdown."""
    from timing import setting  # after parsing: --help is quick

    from projects.SRKD.analysis.report import markdown_table

    rows = goals(runs)
    failed = [run.command for run in runs if run.failed]
    minutes = sum(run.seconds for run in runs) / 60
    parts = [
        '# Benchmarks\n',
        f'`python benchmarks/bm_all.py`, {minutes:.1f} minutes on {setting(device)}.\n',
        'Written by the command; ratios come from one run each, calls taken in turn, medians. What '
        'was tried and why goals were missed: [NOTES.md](NOTES.md); what it means for whole data '
        'sets: [SCALE.md](SCALE.md).\n',
        f'## Goals: {sum(row[3] == "met" for row in rows)} of {len(rows)} met\n',
        markdown_table(['what', 'measured', 'goal', ''], rows) + '\n',
    ]
    if failed:
        parts.append(f'**Failed:** {", ".join(failed)}\n')
    for one in runs:
        body = ''.join(line for line in one.output.splitlines(True) if not line.startswith(GOAL))
        parts.append(f'## `{one.command}` ({one.seconds:.0f} s)\n\n```\n{body.rstrip()}\n```\n')
    return '\n'.join(parts)


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', help='names such as bm_step (default: all)')
    parser.add_argument('--out', type=Path, default=HERE / 'RESULTS.md', help='file to write')
    parser.add_argument('--device', default='cpu', help='of those that take one')
    args = parser.parse_args()
    chosen = [line for line in COMMANDS if args.only is None or line.split()[0] in args.only]
    runs = [run(command, args.device) for command in chosen]
    args.out.write_text(report(runs, args.device))
    print(f'written to {args.out}')
    sys.exit(any(one.failed for one in runs))


if __name__ == '__main__':
    main()
