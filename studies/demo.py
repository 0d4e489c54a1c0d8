"""A demo: data, teacher, a student alone and taught (same budget, same seed), a test, a report.

What is finished is not repeated. The two students train side by side. Where a study has compared
them over many seeds, its interval stands beside the one seed of the demo.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from projects.SRKD.base import misuse_told, write_text
from studies.config_files import data_options
from studies.metrics import Metric
from studies.mini_data import MiniData, make_data
from studies.pace import minutes_here
from studies.runs import Runs, StepFailed, Trained

DATA_SEED = 0
LEAST_LEAD = 3.0  # points of the teacher above the student alone; below, there is little to teach
_TELLING = re.compile(r' - (INFO - Epoch\(|WARNING - |ERROR - )')  # not config, environment, hooks
_UNTESTED = {'train_cfg.val_begin': 1_000_000}  # the step after a training tests it


class Studied(NamedTuple):
    """A study that compares what a demo compares.

    Attributes:
        plan: Name of its plan.
        claim: Its primary comparison.
    """

    plan: str
    claim: str


class Demo(NamedTuple):
    """What one demo compares.

    Attributes:
        method: Name of the distillation, as in its row.
        teacher: Config of the teacher.
        alone: Config of the student without a teacher; both students are tested with it.
        taught: Config of the student with its teacher.
        data: What is written as data and how many scenes, for each preset.
        options: What differs from the config files, for each preset.
        columns: Titles and metrics of the table's scores.
        gain: Metric whose differences are told below the table.
        draw: Draws one scene of the test set: its batch, the data sample that each network made of
            it, the config, the file.
        folder: Where everything goes unless ``--work-dir`` says otherwise.
        minutes: How long the full preset takes on two quiet cores, of the kind that
            :mod:`studies.pace` knows.
        weights: A teacher that is trained already; None: the demo trains one.
        studied: The study of the same comparison.
        note: Below the table.
        ceiling: Of the page's 3D views, meters above the lowest point; None: all is shown.
    """

    method: str
    teacher: Path
    alone: Path
    taught: Path
    data: Mapping[str, tuple[MiniData, int]]
    options: Mapping[str, dict[str, Any]]
    columns: Mapping[str, tuple[Metric, ...]]
    gain: Metric
    draw: Callable[[dict, Mapping[str, Any], Any, Path], None]
    folder: Path
    minutes: float
    weights: Path | None = None
    studied: Studied | None = None
    note: str = ''
    ceiling: float | None = None


def run(demo: Demo, args: argparse.Namespace) -> str:
    """Do every step; returns the report.

    Raises:
        StepFailed: If a step fails.
    """
    root = args.work_dir.resolve() / ('.' if args.preset == 'full' else args.preset)
    weights = args.teacher_checkpoint or demo.weights
    runs = Runs(root, 8 - bool(weights), shown=lambda line: bool(_TELLING.search(line)))
    if args.preset == 'full':
        least = minutes_here(demo.minutes, side_by_side=2)
        runs.echo(f'about {least:.0f} minutes here, less where steps were done before')
    data, data_key = make_data(runs, *demo.data[args.preset], DATA_SEED)

    def train(name: str, title: str, config: Path, teacher: Trained | None = None) -> Trained:
        options = {
            'randomness.seed': args.seed,
            **_UNTESTED,
            **demo.options[args.preset],
            **data_options(config, data),
        }
        needs = [data_key]
        if teacher is not None:
            options['model.teacher.checkpoint'] = teacher.checkpoint
            needs.append(teacher.key)
        return runs.train(name, f'train {title}', config, options, needs)

    def test(name: str, title: str, config: Path, trained: Trained) -> dict[str, float]:
        changes = data_options(config, data)
        return runs.test(f'test_{name}', f'test {title}', config, trained, changes)

    def student(name: str, title: str, config: Path, teacher: Trained | None = None) -> tuple:
        trained = train(name, title, config, teacher)
        return trained, test(name, title.removeprefix('student '), demo.alone, trained)

    if weights:
        weights = weights.resolve()
        teacher = Trained(demo.teacher, weights, sha256(weights.read_bytes()).hexdigest())
    else:
        teacher = train('teacher', 'teacher', demo.teacher)
    name = demo.method.lower()
    (alone, score), (taught, taught_score), teacher_score = runs.side_by_side(
        lambda: student('alone', 'student alone', demo.alone),
        lambda: student(name, f'student with {demo.method}', demo.taught, teacher),
        lambda: test('teacher', 'teacher', demo.teacher, teacher),
    )
    networks = {
        'student alone': (demo.alone, alone, score),
        f'student, {demo.method}': (demo.alone, taught, taught_score),
        'teacher': (demo.teacher, teacher, teacher_score),
    }
    runs.headline('table and picture')
    return report(demo, root, networks, data, args)


def report(
    demo: Demo,
    root: Path,
    networks: Mapping[str, tuple[Path, Trained, dict[str, float]]],
    data: Path,
    args: argparse.Namespace,
) -> str:
    """Measure the networks, draw one scene and write ``report.md``.

    Args:
        demo: What is compared.
        root: Where table and picture go.
        networks: Name, plain config, training and scores of each; the student alone is the first,
            the teacher the last.
        data: Root of the data.
        args: Command line.
    """
    from projects.SRKD.analysis.complexity import (  # not before the trainings
        COUNTING,
        measure,
    )
    from projects.SRKD.analysis.networks import build_network, predict, read_plain, read_scenes
    from projects.SRKD.analysis.report import Row, comparison_table
    from studies.demo_page import write_demo_page

    costs, samples, built = {}, {}, {}
    for name, (config, trained, _) in networks.items():
        cfg = read_plain(config, data_options(config, data))
        network = build_network(cfg, trained.checkpoint)
        batches = read_scenes(cfg)
        built[name], samples[name] = (cfg, network), [predict(network, batches[0])]
        costs[name] = measure(network, batches, warmup=1, repeats=10)
    drawn = {name: of[0] for name, of in samples.items()}
    demo.draw(batches[0], drawn, cfg, root / 'picture.png')
    page = write_demo_page(root, networks, built, samples, batches, costs, demo.ceiling)
    largest = costs['teacher'].parameters
    rows = [
        Row(
            name,
            {
                title: [metric.percent(networks[name][2]) for metric in metrics]
                for title, metrics in demo.columns.items()
            },
            cost.parameters,
            largest / cost.parameters,
            sum(cost.flops.values()),
            cost.ms[1],
        )
        for name, cost in costs.items()
    ]
    note = f'{demo.note}\n' if demo.note else ''
    text = (
        f'{comparison_table(rows)}\n\n'
        f'{_verdict(demo, networks, args.preset)}\n{_of_study(demo, args.preset, root)}{note}'
        f'{COUNTING}\n'
        f'preset {args.preset}, seed {args.seed}; procedural {demo.data[args.preset][0].name} '
        'stand for no public benchmark\n'
    )
    write_text(root / 'report.md', text)
    return (
        f'{text}\ntable:   {root / "report.md"}\npicture: {root / "picture.png"}\npage:    {page}'
    )


def _verdict(demo: Demo, networks: Mapping[str, tuple], preset: str) -> str:
    """What the scores say, in a sentence; nothing, of a run that only shows that it runs."""
    if preset != 'full':
        return 'one epoch on a few scenes: everything runs, and the scores say nothing'
    of = {name: demo.gain.percent(scores) for name, (_, _, scores) in networks.items()}
    base, *others = of
    gains = ', '.join(f'{name} {of[name] - of[base]:+.2f}' for name in others)
    if of['teacher'] - of[base] < LEAST_LEAD:
        gains += f' (the teacher leads by less than {LEAST_LEAD}: there is little to teach)'
    return f'{demo.gain.title} points above the {base}: {gains}'


def _of_study(demo: Demo, preset: str, root: Path) -> str:
    """What many seeds say of the same comparison, a line; nothing where there is no study."""
    if preset != 'full' or demo.studied is None:
        return ''
    from studies.arms import Bench  # here and below: only a report needs statistics
    from studies.claims import Claims
    from studies.plan_file import read_plan
    from studies.run_store import RunStore

    plan = read_plan(demo.studied.plan)
    claims = Claims(plan, RunStore(plan), Bench(plan, root / 'study'))
    (claim,) = (of for of in plan.primary if of.name == demo.studied.claim)
    found = claims.difference(claim)
    if found is None:
        return f'not studied over more seeds yet: python -m studies.study --plan {plan.name}\n'
    low, high = found.bca
    return (
        f'study of {found.pairs} seeds ({plan.name}): {claim.arm} {found.mean:+.2f} over '
        f'{claim.minus}, 95 % interval {low:+.2f} .. {high:+.2f}, '
        f'{claims.verdicts()[claim.name].value}\n'
    )


def main(demo: Demo, args: argparse.Namespace) -> None:
    """Run a demo; a failed step ends it with its message and exit code 1."""
    try:
        with misuse_told('demo'):
            print('\n' + run(demo, args))
    except StepFailed as error:
        sys.exit(f'\ndemo failed: {error}')
