"""What each term of each preset amounts to: its gradient on the student beside the task's.

A weight says little: the same 0.1 can be a whisper or drown the labels, depending on what the loss
sums over, on the data and on the stage of training. Here every preset meets every kind of data it
is for, with a teacher that was trained on it, and each term's gradient norm over the student's
parameters is divided by that of all task losses together.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from projects.SRKD.base import UsageError, seed_process
from projects.SRKD.ops import gradient_norm, gradients
from studies.runs import ROOT

DROWNS = 10.0  # times the task's gradient; more is refused, but for what a release printed
INERT = 1e-3  # of it; less, and the preset's comment says "inert"
# Weights of a release that are kept whatever they do here: (preset, term) -> where they stand.
KEPT: dict[tuple[str, str], str] = {}
_PRESETS = ROOT / 'configs' / '_base_' / 'distill'
_MINI = ROOT / 'configs' / 'mini'
PAGE = """# What each term of each preset amounts to

Norm of the gradient that a term has on the student's parameters, divided by that of all task losses
together, on small data of every kind that a preset is for: before the student's first step, and
after it was trained with the preset. A weight alone says little: what a term sums over, the data
and the stage of training decide.

A term above {drowns:g} would drown the labels and is refused, unless it is the weight of a release;
one below {inert:g} in all columns is inert there, and the comment of its preset says so.
CenterPoint's first steps make every term look small: mmdet3d starts its heat maps with a bias of 0,
so that the first task losses are huge.

{table}

`{command}` writes this page. {how}
What breaks the rule:{said}
"""


class Bench(NamedTuple):
    """A kind of data with a pair of networks.

    Attributes:
        name: For tables.
        teacher: Config file.
        student: Config file of the student alone.
        family: Key of the detector's terms in a preset; '' for segmentors.
        presets: Names of the presets that are for it.
        without: Terms whose taps these small networks do not have.
    """

    name: str
    teacher: str
    student: str
    family: str
    presets: tuple[str, ...]
    without: tuple[str, ...] = ()


_SEG = ('kd', 'srkd', 'srkd_paper')
# forms of the logits and presets for few labels: measured on one kind of data
_FEW = ('kd_confident', 'kd_correct', 'kd_standardized', 'pseudo_labels', 'srkd_all_scans')
# Terms of presets above at weights that a study found: they outweigh the task on purpose.
STUDIED = {'kd_few_labels': 'kd', 'srkd_few_labels': 'srkd_all_scans'}
_DET = ('fitnet', 'fg', 'sparsekd', 'pointdistiller', 'pointdistiller_paper')
BENCHES = (
    Bench(
        'rooms, PTv3', 'ptv3-mini-t_1xb4-20e_mini-scannet-seg',
        'ptv3-mini-s_1xb4-15e_mini-scannet-seg', '', (*_SEG, *_FEW, 'srkd_released_scannet'),
        ('mse_dec3',)),
    Bench(
        'streets, PTv3', 'ptv3-mini-t_1xb4-20e_mini-nuscenes-lidarseg',
        'ptv3-mini-s_1xb4-15e_mini-nuscenes-lidarseg', '', (*_SEG, 'srkd_released_nuscenes'),
        ('mse_dec3',)),
    Bench(
        'streets, MinkUNet', 'ptv3-mini-t_1xb4-20e_mini-nuscenes-lidarseg',
        'minkunet-mini_1xb4-15e_mini-nuscenes-lidarseg', '', _SEG),
    Bench(
        'KITTI, PointPillars', 'pointpillars-mini_1xb4-20e_mini-kitti-3d',
        'pointpillars-mini-4x_1xb4-20e_mini-kitti-3d', 'pointpillars',
        (*_DET, 'pointdistiller_released')),
    Bench(
        'nuScenes, CenterPoint', 'centerpoint-mini_1xb4-20e_mini-nuscenes-3d',
        'centerpoint-mini-4x_1xb4-20e_mini-nuscenes-3d', 'centerpoint', _DET),
)  # fmt: skip


class Ratio(NamedTuple):
    """One row: gradient of a term over that of the task, after so many steps of the student."""

    preset: str
    bench: str
    term: str
    steps: int
    value: float


def gradient_ratios(model: nn.Module, data: Mapping) -> dict[str, float]:
    """Gradient norm of each term on the student, divided by that of the task losses' sum.

    Args:
        model: A ``DistillModel`` in training mode, its teacher loaded.
        data: A preprocessed mini-batch: ``inputs`` and ``data_samples``.
    """
    losses = model.loss(data['inputs'], data['data_samples'])
    parameters = [p for p in model.student.parameters() if p.requires_grad]
    terms = {name: losses.pop(f'loss_{name}') for name in model.terms}
    task = sum(_summed(value) for name, value in losses.items() if 'loss' in name)
    base = _norm(task, parameters)
    return {name: _norm(_summed(value), parameters) / base for name, value in terms.items()}


def measure(
    bench: Bench, root: str | Path, teacher_steps: int, stages: tuple[int, ...] = (0,),
    points: int = 1500, teacher: str | None = None, seed: int = 0,
) -> Iterator[Ratio]:  # fmt: skip
    """Train a teacher, then measure every preset of a bench at each stage of its student.

    Args:
        bench: Data and networks.
        root: Data root, in the layout of the bench's configs.
        teacher_steps: Training steps of the teacher, at least 100 for a table.
        stages: Steps that the student has been trained with the preset, rising.
        points: Points kept of each scan, for speed.
        teacher: Config of another teacher than the bench's.
        seed: Of networks and batches.
    """
    cfg = _config(teacher or bench.teacher)
    data = _Batches(cfg, root, points, seed)
    seed_process(seed)
    taught = MODELS.build(copy.deepcopy(cfg.model))
    taught.init_weights()
    _train(taught, data, cfg, 0, teacher_steps)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = f'{folder}/teacher.pth'
        torch.save(dict(state_dict=taught.state_dict()), checkpoint)
        for preset in bench.presets:
            student = _config(bench.student)
            seed_process(seed)
            model = _distiller(student, cfg.model, checkpoint, preset, bench)
            done = 0
            for stage in stages:
                _train(model, data, student, done, stage)
                done = stage
                batch = model.data_preprocessor(data(stage), training=True)
                for term, value in gradient_ratios(model, batch).items():
                    yield Ratio(preset, bench.name, term, stage, value)


def verdicts(ratios: list[Ratio]) -> list[str]:
    """What breaks the rules: a term that drowns the labels, or is inert without saying so."""
    found = []
    for row in ratios:
        if row.value > DROWNS and (row.preset, row.term) not in KEPT:
            where = f'{row.preset}: {row.term} on {row.bench} after {row.steps} steps'
            found.append(f'{where} has {row.value:.3g} times the gradient of the task')
    alive = {row[:3] for row in ratios if row.value >= INERT}
    for preset, bench, term in sorted({row[:3] for row in ratios} - alive):
        if 'inert' not in comments(preset):
            found.append(f'{preset}: {term} is inert on {bench} and its comment does not say so')
    return found


def terms_of(preset: str, bench: Bench) -> dict:
    """The terms that a preset has for the networks of a bench."""
    terms = Config.fromfile(_PRESETS / f'{preset}.py').distill[bench.family or 'terms']
    return {name: term for name, term in terms.items() if name not in bench.without}


def comments(preset: str) -> str:
    """The comments of a preset's file."""
    lines = (_PRESETS / f'{preset}.py').read_text().splitlines()
    return '\n'.join(line.partition('#')[2] for line in lines)


def table(ratios: list[Ratio]) -> str:
    """Markdown: a row for each preset, bench and term, a column for each stage."""
    stages = sorted({row.steps for row in ratios})
    value = {row[:4]: row.value for row in ratios}
    rows = sorted({row[:3] for row in ratios}, key=lambda key: (key[1], key[0], key[2]))
    lines = [
        '| data, student | preset | term | ' + ' | '.join(f'step {s}' for s in stages) + ' | |',
        '|---|---|---|' + '---:|' * len(stages) + '---|',
    ]
    for preset, bench, term in rows:
        cells = [value[preset, bench, term, stage] for stage in stages]
        note = 'inert' if max(cells) < INERT else KEPT.get((preset, term), '')
        shown = ' | '.join(f'{cell:.2g}' for cell in cells)
        lines.append(f'| {bench} | `{preset}` | {term} | {shown} | {note} |')
    return '\n'.join(lines)


def read_table(text: str) -> list[Ratio]:
    """The rows of :func:`table`, read back."""
    cells = [
        [cell.strip(' `') for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|') and not line.startswith('|-')
    ]
    steps = [int(title.removeprefix('step ')) for title in cells[0] if title.startswith('step ')]
    return [
        Ratio(preset, bench, term, step, float(value))
        for bench, preset, term, *values in cells[1:]
        for step, value in zip(steps, values)
    ]


def page(ratios: list[Ratio], command: str, how: str) -> str:
    """The page of the documentation, ``docs/presets.md``."""
    said = ''.join(f'\n- {line}' for line in verdicts(ratios)) or ' nothing.'
    return PAGE.format(
        table=table(ratios), command=command, how=how, said=said, drowns=DROWNS, inert=INERT
    )


class _Batches:
    """Mini-batches of two thinned scans, the same for the same step."""

    def __init__(self, cfg: Config, root: str | Path, points: int, seed: int) -> None:
        dataset = cfg.train_dataloader.dataset
        while 'dataset' in dataset:  # RepeatDataset, CBGSDataset
            dataset = dataset.dataset
        old = dataset.data_root
        dataset = _moved(dataset.to_dict(), old, f'{root}/')
        steps = [step for step in dataset['pipeline'] if step['type'] != 'ObjectSample']
        thin = dict(type='PointSample', num_points=points)
        dataset['pipeline'] = [*steps[:-1], thin, steps[-1]]
        self.dataset = DATASETS.build(dataset)
        self.seed = seed

    def __call__(self, step: int) -> dict:
        seed_process(self.seed, step)
        rows = np.random.default_rng((self.seed, step)).permutation(len(self.dataset))[:2]
        return pseudo_collate([self.dataset[int(row)] for row in rows])


def _train(model: nn.Module, data: _Batches, cfg: Config, first: int, last: int) -> None:
    model.train()
    if first == last:
        return
    wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    for step in range(first, last):
        batch = model.data_preprocessor(data(step), training=True)
        losses = model.loss(batch['inputs'], batch['data_samples'])
        wrapper.update_params(
            sum(_summed(value) for name, value in losses.items() if 'loss' in name)
        )


def _distiller(
    student: Config, teacher: ConfigDict, checkpoint: str, preset: str, bench: Bench
) -> nn.Module:
    terms = terms_of(preset, bench)
    kind = 'DistillDetector' if bench.family else 'DistillSegmentor'
    given = dict(super_voxels=student.super_voxels) if 'super_voxels' in student else {}
    model = MODELS.build(
        dict(
            type=kind,
            student=copy.deepcopy(student.model),
            teacher=dict(config=copy.deepcopy(teacher), checkpoint=checkpoint),
            terms=terms,
            **given,
        )
    )
    model.init_weights()
    if 'metainfo' in student:
        model.learn_classes(student.metainfo.classes)
    return model.train()


def _config(name: str) -> Config:
    path = _MINI / f'{name}.py'
    if not path.is_file():
        raise UsageError(f'{path} does not exist, expected a config of configs/mini')
    return Config.fromfile(path)


def _moved(value, old: str, new: str):
    if isinstance(value, dict):
        return {key: _moved(each, old, new) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(each, old, new) for each in value)
    return value.replace(old, new) if isinstance(value, str) else value


def _summed(value: Tensor | list) -> Tensor:
    return sum(each.sum() for each in value) if isinstance(value, (list, tuple)) else value.sum()


def _norm(loss: Tensor, parameters: list[Tensor]) -> float:
    return gradient_norm(gradients(loss, parameters))
