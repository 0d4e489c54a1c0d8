"""Does a teacher help on mini data, and how sure is that? ``python -m studies.study_mini``.

Per seed: each student alone and with each method; one teacher for all, whose words are stored
first for rows that read them from a cache. Every run is a subprocess of ``tools/train.py``,
``tools/test.py`` or ``tools/cache_teacher.py`` and is done once; the results file is rewritten
after each, so the study can be stopped and started at will. Networks this small train faster side
by side, one thread each, than one after the other on all cores: see ``--jobs``.
"""

import argparse
import json
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from projects.SRKD.analysis.report import markdown_table, spread
from projects.SRKD.base import write_text
from projects.SRKD.base.provenance import surroundings
from studies.config_files import config_content, data_options
from studies.mini_data import found_data, make_data
from studies.mini_studies import STUDIES, named_row
from studies.runs import Runs, StepFailed, Trained

TEACHER_SEED = 0
ONE = '{mean:.2f}'  # a single seed has no spread


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Seeds x methods on mini data')
    parser.add_argument('--data', choices=STUDIES, default='rooms', help='default: rooms')
    parser.add_argument(
        '--data-root', type=Path, help='a data set that is there, for those that are not procedural'
    )
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0, 1, 2], help='of the students (default: 0 1 2)'
    )
    parser.add_argument(
        '--rows',
        nargs='+',
        metavar='NAME[=CONFIG]',
        help='networks, by default all of the study, or any name with the config that trains it',
    )
    parser.add_argument('--scenes', type=int, help='rooms, streets or frames to write')
    parser.add_argument('--data-seed', type=int, default=0, help='seed of the data')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs, named as --out')
    parser.add_argument('--out', type=Path, help='default: in studies/results')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs side by side; default: one per core'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='for every training'
    )
    return complete(parser.parse_args())


def complete(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in what follows from the study that is asked for.

    Raises:
        ValueError: If a row is unknown, or a data root is missing or superfluous.
    """
    study = STUDIES[args.data]
    if (study.data is None) != (args.data_root is not None):
        expected = 'needs' if study.data is None else 'writes its data itself and takes no'
        raise ValueError(f'--data {args.data} {expected} --data-root')
    name = 'study_mini' + ('' if args.data == 'rooms' else f'_{args.data}')
    args.rows = [named_row(text, study) for text in args.rows] if args.rows else study.rows
    args.scenes = study.count if args.scenes is None else args.scenes
    args.out = args.out or Path(__file__).parent / 'results' / f'{name}.json'
    args.work_dir = args.work_dir or Path('work_dirs') / args.out.stem
    return args


def summary(results: dict) -> str:
    """Markdown of the results file."""
    study = STUDIES[results.get('data', 'rooms')]
    rows = []
    for name, by_seed in results['rows'].items():
        by_seed = dict(sorted(by_seed.items()))
        if not by_seed:
            continue
        cells = [name, str(len(by_seed))]
        for metric in study.metrics:
            of = spread([metric.percent(scores) for scores in by_seed.values()])
            form = '{mean:.2f} +- {std:.2f} ({min:.2f} .. {max:.2f})' if len(by_seed) > 1 else ONE
            cells.append(form.format(**of))
        minutes = spread([scores['seconds'] / 60 for scores in by_seed.values()])['mean']
        rows.append([*cells, f'{minutes:.1f}'])
    teacher = results.get('teacher')  # None while it trains, and if it failed
    if teacher:
        rows.append(
            ['teacher', '1', *(f'{metric.percent(teacher):.2f}' for metric in study.metrics)]
            + [f'{teacher["seconds"] / 60:.1f}']
        )
    titles = [metric.title for metric in study.metrics]
    table = markdown_table(['network', 'seeds', *titles, 'training (min)'], rows)
    lines = [f'# {study.title}: {study.compared}', '', table, '', 'Paired by seed:', '']
    pairs = results.get('pairs', {})
    bases = [(name, base) for name in results['rows'] for base in pairs.get(name, ['alone'])]
    for name, base in bases:
        by_seed, other = results['rows'][name], results['rows'].get(base, {})
        common = sorted(seed for seed in by_seed if seed in other)
        for metric in study.metrics[: study.paired] if name != base and common else ():
            gains = [metric.percent(by_seed[s]) - metric.percent(other[s]) for s in common]
            of = spread(gains)
            each = ', '.join(f'{gain:+.2f}' for gain in gains)
            over = f' +- {of["std"]:.2f} ({each})' if len(gains) > 1 else ''
            lines.append(f'- {name} - {base}: {of["mean"]:+.2f} {metric.title}{over}')
    about = results['surroundings']
    runs = [run for by_seed in results['rows'].values() for run in by_seed.values()]
    commits = sorted({run['commit'] for run in [*runs, *([teacher] if teacher else [])]})
    made = 'real, not in the repository'
    facts = ''.join(f', {f.title} {f.value(teacher):g}' for f in study.facts if teacher)
    if study.data is not None:
        made = f'{results["scenes"]} {study.data.name}, data seed {results["data_seed"]}'
    versions = ', '.join(f'{name} {number}' for name, number in about['versions'].items())
    lines += [
        '',
        'Mean +- sample standard deviation (min .. max), percent. This data stands for no public '
        'benchmark.',
        '',
        f'- command: `{results["command"]}`',
        f'- data: {made}{facts}, teacher seed {TEACHER_SEED}',
        *(
            f'- teacher cache of {name}: {cache["bytes"] / 1e6:.1f} MB, written in '
            f'{cache["seconds"]:.0f} s'
            for name, cache in results.get('caches', {}).items()
        ),
        f'- hardware: {about["cpu"]}, {about["cores"]} cores, GPU: {about["gpu"]}',
        f'- Python {about["python"]}, {versions}',
        f'- commit of the runs: {", ".join(commits)}',
    ]
    return '\n'.join(lines) + '\n'


def earlier(args: argparse.Namespace, real: str | None) -> dict:
    """Rows that other calls have written about the same data; nothing of them is lost."""
    if args.out.is_file():
        found = json.loads(args.out.read_text())
        same = found['scenes'], found['data_seed'], found.get('data', 'rooms')
        same_files = found.get('real', real) == real
        if same == (args.scenes, args.data_seed, args.data) and same_files:
            return found
    return dict(rows={})


def run(args: argparse.Namespace) -> str:
    """Do every run that is not done; returns the summary.

    Raises:
        StepFailed: The first failure, after all other runs have ended.
    """
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, os.cpu_count() // args.jobs)))
    echo = None if args.jobs == 1 else print_headlines  # lines of several runs would mix
    study = STUDIES[args.data]
    plain = {row.name: row.config for row in study.rows}
    teachers = {row: config_content(row.config)['model'].get('teacher') for row in args.rows}
    cached = {row for row, teacher in teachers.items() if teacher and teacher.get('cache')}
    steps = 3 + len(cached) + 2 * len(args.seeds) * len(args.rows)
    runs = Runs(args.work_dir.resolve(), total=steps, echo=echo)
    extra = dict(option.split('=', 1) for option in args.cfg_options)
    if study.data is None:
        root, data_key = found_data(args.data_root)
    else:
        root, data_key = make_data(runs, study.data, args.scenes, args.data_seed)

    def inputs(config: Path, teacher: Future | None) -> tuple[dict, list[str]]:
        options, needs = {**extra, **data_options(config, root)}, [data_key]
        if teacher is not None:
            trained, _ = teacher.result()
            options['model.teacher.checkpoint'] = trained.checkpoint
            needs.append(trained.key)
        return options, needs

    def store(name: str, config: Path, teacher: Future) -> tuple[Path, str, dict]:
        stored = runs.cache_teacher(name, f'write {name}', config, *inputs(config, teacher))
        size = sum(path.stat().st_size for path in stored[0].glob('*/*.npy'))
        return *stored, {'bytes': size, 'seconds': runs.note(name)['seconds']}

    def score(
        name: str,
        config: Path,
        seed: int,
        plain: Path,
        teacher: Future | None = None,
        cache: Future | None = None,
    ) -> tuple[Trained, dict]:
        options, needs = inputs(config, teacher)
        options = {'randomness.seed': seed} | options
        if cache is not None:
            options['model.teacher.cache'], key, _ = cache.result()
            needs.append(key)
        trained = runs.train(name, f'train {name}', config, options, needs)
        changes = data_options(plain, root)
        found = runs.test(f'{name}_test', f'test {name}', plain, trained, changes)
        note = runs.note(name)
        scores = {metric.key: metric.value(found) for metric in study.metrics + study.facts}
        return trained, scores | {'seconds': note['seconds'], 'commit': note['commit']}

    words = ['DIR' if word == str(args.data_root) else word for word in sys.argv[1:]]
    real = data_key if study.data is None else None
    results = earlier(args, real) | dict(
        real=real,
        command=' '.join(['python -m studies.study_mini', *words]),
        data=args.data,
        pairs={row.name: [row.alone, *row.beside] for row in [*study.rows, *args.rows]},
        scenes=args.scenes,
        data_seed=args.data_seed,
        surroundings=surroundings(),
    )
    for row in args.rows:
        results['rows'].setdefault(row.name, {})
    with ThreadPoolExecutor(args.jobs) as pool:
        teacher = pool.submit(score, 'teacher', study.teacher, TEACHER_SEED, study.teacher)
        students, caches = {}, {}
        # those that wait for the teacher last, so that they do not keep a core idle
        for row in sorted(args.rows, key=lambda row: bool(teachers[row])):
            if row in cached:
                caches[row.name] = pool.submit(store, f'{row.name}_cache', row.config, teacher)
            for seed in args.seeds:
                needed = teacher if teachers[row] else None, caches.get(row.name)
                future = pool.submit(
                    score, f'{row.name}_{seed}', row.config, seed, plain[row.alone], *needed
                )
                students[future] = row.name, seed
        failures = []
        for future in as_completed(students):
            if future.exception() is not None:  # the others go on, and what is done is kept
                failures.append(future.exception())
                continue
            name, seed = students[future]
            results['rows'][name][str(seed)] = future.result()[1]
            if name in caches:
                results.setdefault('caches', {})[name] = caches[name].result()[2]
            if teacher.done() and teacher.exception() is None:
                results['teacher'] = teacher.result()[1]
            write_text(args.out, json.dumps(results, indent=1) + '\n')
            write_text(args.out.with_suffix('.md'), summary(results))
    if failures:
        raise failures[0]
    return summary(results)


def print_headlines(line: str) -> None:
    """Print where a study is; all output of a run is in its ``output.log``."""
    if line.startswith('\n==='):
        print(line.strip(), flush=True)


def main() -> None:
    """Run the study; a failed run ends it with its message and exit code 1."""
    try:
        print('\n' + run(parse_args()))
    except (FileNotFoundError, StepFailed, ValueError) as error:
        sys.exit(f'\nstudy stopped: {error}')


if __name__ == '__main__':
    main()
