"""Does SRKD help on mini rooms, and how sure is that? ``python benchmarks/study_mini.py``.

Per seed: the student alone, with plain KD, with SRKD; one teacher for all. Every run is a
subprocess of ``tools/train.py`` and ``tools/test.py`` and is done once; the results file is
rewritten after each, so the study can be stopped and started at will. Networks this small train
faster side by side, one thread each, than one after the other on all cores: see ``--jobs``.
"""

import argparse
import json
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from projects.SRKD.analysis.mini_rooms import make_rooms, room_options
from projects.SRKD.analysis.provenance import surroundings
from projects.SRKD.analysis.report import markdown_table, spread
from projects.SRKD.analysis.runs import (
    ROOT,
    Runs,
    StepFailed,
    Trained,
    config_content,
    write_atomically,
)

CONFIGS = ROOT / 'configs' / 'mini'
TEACHER = CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py'
STUDENT = CONFIGS / 'ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
ROWS = {  # name -> config; all are tested with the student's plain config
    'alone': STUDENT,
    'kd': CONFIGS / 'kd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    'srkd': CONFIGS / 'srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
}
TEACHER_SEED = 0
ONE = '{mean:.2f}'  # a single seed has no spread
METRICS = {'miou': 'mIoU', 'acc_cls': 'mAcc'}


def named_row(text: str) -> tuple[str, Path]:
    """Read ``NAME`` or ``NAME=CONFIG``.

    Raises:
        argparse.ArgumentTypeError: If the name is unknown and has no config.
    """
    name, _, config = text.partition('=')
    if not config and name not in ROWS:
        raise argparse.ArgumentTypeError(
            f'{name!r} is none of {", ".join(ROWS)}: write {name}=CONFIG to add a network'
        )
    return name, Path(config).resolve() if config else ROWS[name]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Seeds x methods on mini rooms')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--rows',
        nargs='+',
        type=named_row,
        default=list(ROWS.items()),
        metavar='NAME[=CONFIG]',
        help=f'networks: {", ".join(ROWS)}, or any name with the config that trains it',
    )
    parser.add_argument('--scenes', type=int, default=120, help='mini rooms')
    parser.add_argument('--data-seed', type=int, default=0, help='seed of the rooms')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/study_mini'))
    parser.add_argument(
        '--out', type=Path, default=Path(__file__).parent / 'results' / 'study_mini.json'
    )
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs side by side; default: one per core'
    )
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    return parser.parse_args()


def summary(results: dict) -> str:
    """Markdown of the results file."""
    rows = []
    for name, by_seed in results['rows'].items():
        by_seed = dict(sorted(by_seed.items()))
        if not by_seed:
            continue
        cells = [name, str(len(by_seed))]
        for metric in METRICS:
            of = spread([100 * scores[metric] for scores in by_seed.values()])
            form = '{mean:.2f} +- {std:.2f} ({min:.2f} .. {max:.2f})' if len(by_seed) > 1 else ONE
            cells.append(form.format(**of))
        minutes = spread([scores['seconds'] / 60 for scores in by_seed.values()])['mean']
        rows.append([*cells, f'{minutes:.1f}'])
    teacher = results.get('teacher')  # None while it trains, and if it failed
    if teacher:
        rows.append(
            ['teacher', '1', *(f'{100 * teacher[m]:.2f}' for m in METRICS)]
            + [f'{teacher["seconds"] / 60:.1f}']
        )
    table = markdown_table(['network', 'seeds', *METRICS.values(), 'training (min)'], rows)
    lines = [
        '# Mini rooms: student alone, with KD, with SRKD',
        '',
        table,
        '',
        'Paired by seed:',
        '',
    ]
    alone = results['rows'].get('alone', {})
    for name, by_seed in results['rows'].items():
        common = sorted(seed for seed in by_seed if seed in alone)
        if name != 'alone' and common:
            gains = [100 * (by_seed[s]['miou'] - alone[s]['miou']) for s in common]
            of = spread(gains)
            each = ', '.join(f'{gain:+.2f}' for gain in gains)
            over = f' +- {of["std"]:.2f} ({each})' if len(gains) > 1 else ''
            lines.append(f'- {name} - alone: {of["mean"]:+.2f} mIoU{over}')
    about = results['surroundings']
    runs = [run for by_seed in results['rows'].values() for run in by_seed.values()]
    commits = sorted({run['commit'] for run in [*runs, *([teacher] if teacher else [])]})
    versions = ', '.join(f'{name} {number}' for name, number in about['versions'].items())
    lines += [
        '',
        'Mean +- sample standard deviation (min .. max), percent. Procedural rooms stand for no '
        'public benchmark.',
        '',
        f'- command: `{results["command"]}`',
        f'- rooms: {results["scenes"]}, data seed {results["data_seed"]}, teacher seed '
        f'{TEACHER_SEED}',
        f'- hardware: {about["cpu"]}, {about["cores"]} cores, GPU: {about["gpu"]}',
        f'- Python {about["python"]}, {versions}',
        f'- commit of the runs: {", ".join(commits)}',
    ]
    return '\n'.join(lines) + '\n'


def earlier(args: argparse.Namespace) -> dict:
    """Rows that other calls have written about the same rooms; nothing of them is lost."""
    if args.out.is_file():
        found = json.loads(args.out.read_text())
        if (found['scenes'], found['data_seed']) == (args.scenes, args.data_seed):
            return found
    return dict(rows={})


def run(args: argparse.Namespace) -> str:
    """Do every run that is not done; returns the summary.

    Raises:
        StepFailed: The first failure, after all other runs have ended.
    """
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, os.cpu_count() // args.jobs)))
    echo = None if args.jobs == 1 else print_headlines  # lines of several runs would mix
    runs = Runs(args.work_dir.resolve(), total=3 + 2 * len(args.seeds) * len(args.rows), echo=echo)
    extra = dict(option.split('=', 1) for option in args.cfg_options)
    rooms, data_key = make_rooms(runs, args.scenes, args.data_seed)

    def score(
        name: str, config: Path, seed: int, plain: Path, teacher: Future | None = None
    ) -> tuple[Trained, dict]:
        options = {'randomness.seed': seed, **extra, **room_options(config, rooms)}
        needs = [data_key]
        if teacher is not None:
            trained, _ = teacher.result()
            options['model.teacher.checkpoint'] = trained.checkpoint
            needs.append(trained.key)
        trained = runs.train(name, f'train {name}', config, options, needs)
        changes = room_options(plain, rooms)
        found = runs.test(f'{name}_test', f'test {name}', plain, trained, changes)
        note = runs.note(name)
        scores = {metric: found[metric] for metric in METRICS}
        return trained, scores | {'seconds': note['seconds'], 'commit': note['commit']}

    results = earlier(args) | dict(
        command=' '.join(['python benchmarks/study_mini.py', *sys.argv[1:]]),
        scenes=args.scenes,
        data_seed=args.data_seed,
        surroundings=surroundings(),
    )
    for name, _ in args.rows:
        results['rows'].setdefault(name, {})
    distilled = {name: 'teacher' in config_content(config)['model'] for name, config in args.rows}
    with ThreadPoolExecutor(args.jobs) as pool:
        teacher = pool.submit(score, 'teacher', TEACHER, TEACHER_SEED, TEACHER)
        students = {}
        # those that wait for the teacher last, so that they do not keep a core idle
        for name, config in sorted(args.rows, key=lambda row: distilled[row[0]]):
            for seed in args.seeds:
                needed = teacher if distilled[name] else None
                future = pool.submit(score, f'{name}_{seed}', config, seed, STUDENT, needed)
                students[future] = name, seed
        failures = []
        for future in as_completed(students):
            if future.exception() is not None:  # the others go on, and what is done is kept
                failures.append(future.exception())
                continue
            name, seed = students[future]
            results['rows'][name][str(seed)] = future.result()[1]
            if teacher.done() and teacher.exception() is None:
                results['teacher'] = teacher.result()[1]
            write_atomically(args.out, json.dumps(results, indent=1) + '\n')
            write_atomically(args.out.with_suffix('.md'), summary(results))
    if failures:
        raise failures[0]
    return summary(results)


def print_headlines(line: str) -> None:
    """Print where a study is; all output of a run is in its ``output.log``."""
    if line.startswith('\n==='):
        print(line.strip(), flush=True)


def main() -> None:
    """Run the study; a failed run ends it with its message and exit code 1."""
    args = parse_args()
    try:
        print('\n' + run(args))
    except StepFailed as error:
        sys.exit(f'\nstudy stopped: {error}')


if __name__ == '__main__':
    main()
