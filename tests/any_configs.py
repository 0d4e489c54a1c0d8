"""Distillation configs that nobody thought of, drawn by hypothesis.

Every value is drawn by the annotation of its argument: mostly one that can be meant, now and then
one at the edge of its range or of another kind. A config knows whether a key in it is unknown.
"""

import copy
import inspect
import math
import typing
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType

import torch
from hypothesis import strategies as st
from mmdet3d.registry import DATA_SAMPLERS, DATASETS, HOOKS, MODELS
from torch import nn

from projects.SRKD import losses
from projects.SRKD.losses.pointdistiller.weights import WEIGHTS
from projects.SRKD.losses.srkd.partitions import PARTITIONS
from projects.SRKD.preflight.arguments import accepted_arguments

LOSSES = sorted(name for name in losses.__all__ if name.endswith('Loss'))
OF_BOXES = ('AnchorBoxLoss', 'AnchorLogitLoss', 'CenterRegressionLoss', 'CentreRegressionLoss',
            'ForegroundMSELoss', 'PivotalHeatmapLoss', 'PointCountLocalGraphLoss')  # fmt: skip
OF_POINTS = [name for name in LOSSES if name not in OF_BOXES]
WORDS = (
    'teacher_student', 'student_teacher', 'upper', 'off_diagonal', 'all', 'l2', 'scale', 'none',
    'mean_one', 'paper', 'sum', 'mean', 'spatial', 'teacher', 'torch', 'labeled', 'unlabeled',
    'sub', 'concat', 'channel_max', 'xyz', 'feat', 'backwards', '',
)  # fmt: skip
ODD = st.sampled_from([None, 'one', [], {}, (1, 2), True, -1, 2.5, float('nan'), object])
FLOATS = st.sampled_from([0.5, 1.0, 2.0, 4, 0.1, 0.9])
EDGES = st.sampled_from([0, 0.0, 1, -1.0, 1e-6, 1e6, math.inf, -math.inf, math.nan])
COUNTS = st.sampled_from([1, 2, 3, 4, 8, 16])
FEW = st.sampled_from([0, 1, -1, 1000, 2.0])
UNKNOWN = 'no_such_argument'


@st.composite
def seldom(draw, usual, unusual, among=40):
    """One strategy mostly, another one once in a while."""
    return draw(unusual if draw(st.integers(1, among)) == among else usual)


def values(parameter: inspect.Parameter):
    """What an argument may get."""
    annotation = parameter.annotation
    kinds = {annotation}
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        kinds = set(typing.get_args(annotation))
    fitting = []
    if bool in kinds:
        fitting.append(st.booleans())
    if float in kinds:
        fitting.append(seldom(FLOATS, EDGES, 15))
    if int in kinds:
        fitting.append(seldom(COUNTS, FEW, 15))
    if str in kinds:
        known = isinstance(parameter.default, str)
        words = st.sampled_from(WORDS)
        fitting.append(seldom(st.just(parameter.default), words, 3) if known else words)
    if NoneType in kinds:
        fitting.append(st.none())
    for kind in kinds:
        if typing.get_origin(kind) in (list, tuple, Sequence):
            inner = (typing.get_args(kind) or (int,))[0]
            inner = parameter.replace(annotation=inner, default=parameter.empty)
            fitting.append(st.lists(values(inner), max_size=4))
        if kind in (dict, Mapping) or typing.get_origin(kind) in (dict, Mapping):
            fitting.append(st.just({}))
    if parameter.name == 'partition':
        fitting += [parts(PARTITIONS)] * 4
    elif parameter.name == 'weights':
        fitting += [parts(WEIGHTS)] * 4
    if parameter.name == 'classes':
        fitting.append(st.just([0, 1]))
    return seldom(st.one_of(fitting) if fitting else ODD, ODD)


@st.composite
def arguments(draw, built, without=(), share=0.2):
    """Some of what a class takes, and all that it needs."""
    config = {}
    for name, parameter in (accepted_arguments(built) or {}).items():
        needed = parameter.default is parameter.empty and draw(st.integers(0, 20)) > 0
        if name not in without and (needed or draw(st.integers(0, 99)) < 100 * share):
            config[name] = draw(values(parameter))
    return config


@st.composite
def parts(draw, kinds):
    """A part that a dict of classes names."""
    kind = draw(st.sampled_from(sorted(kinds)))
    return dict(type=kind, **draw(arguments(kinds[kind])))


@st.composite
def typed(draw, names, registry=MODELS, **options):
    """A part that a registry knows, seldom one that it does not."""
    name = draw(seldom(st.sampled_from(names), st.sampled_from(['NoSuchPart', None, 3, '']), 30))
    built = registry.get(name) if isinstance(name, str) and name in names else None
    config = dict(type=name)
    if built is not None:
        config |= draw(arguments(built, **options))
    if draw(st.integers(1, 60)) == 60:
        del config['type']
    return config


@st.composite
def terms(draw, taps, names):
    """A term: taps, a loss, perhaps a connector."""
    tap = seldom(st.sampled_from(taps), st.sampled_from(['backbone.none', '', None, 3, 'x.']), 30)
    loss = draw(seldom(typed(names), st.sampled_from([None, 'SoftTargetKLLoss', [], {}]), 40))
    term = dict(student_tap=draw(tap), loss=loss)
    if draw(st.integers(1, 4)) == 4:
        term['teacher_tap'] = draw(tap)
    if draw(st.booleans()):
        config = dict(type=draw(st.sampled_from(['LinearConnector', 'MLPConnector'])))
        built = MODELS.get(config['type'])
        if draw(st.integers(1, 6)) == 6:
            config |= draw(arguments(built))
        term['connector'] = draw(seldom(st.just(config), st.sampled_from([None, {}, 'Linear'])))
    if draw(st.integers(1, 60)) == 60:
        del term[draw(st.sampled_from(sorted(term)))]
    return draw(seldom(st.just(term), st.sampled_from([None, [], 'kd', 3]), 50))


NAMES = st.sampled_from(['kd', 'imitate', 'relation', 'kd2'])
BAD_NAMES = st.sampled_from(
    ['loss', 'my_loss', 'a b', '', 'keys', 'training', 3, None, 'cls', 'sem']
)


@st.composite
def models(draw, kind, student, teacher, taps, names):
    """A whole model, and whether a key in it is unknown."""
    student, teacher = copy.deepcopy((student, teacher))
    several = st.dictionaries(seldom(NAMES, BAD_NAMES, 20), terms(taps, names), min_size=1,
                              max_size=3)  # fmt: skip
    config = dict(
        type=kind,
        student=student,
        teacher=teacher,
        terms=draw(seldom(several, st.sampled_from([{}, None, [], 'kd']), 40)),
    )
    if kind == 'DistillSegmentor' and draw(st.integers(1, 3)) == 3:
        sampler = losses.PointAffinityLoss
        config['super_voxels'] = draw(seldom(arguments(sampler, ('loss_weight',)), ODD, 30))
    if draw(st.integers(1, 6)) == 6:
        shares = st.dictionaries(NAMES, FLOATS, max_size=2) | FLOATS | EDGES
        balance = dict(type='FirstStepsBalance', steps=draw(seldom(COUNTS, FEW, 5)))
        if draw(st.booleans()):
            balance['share'] = draw(seldom(shares, ODD))
        config['balance'] = draw(seldom(st.sampled_from([balance, 'first_steps']), ODD))
    if kind == 'DistillDetector' and draw(st.integers(1, 6)) == 6:
        config['teacher_boxes'] = draw(
            st.sampled_from([dict(score_thr=0.3), dict(score_thr=[0.1, 0.2]), {}, 3, None]) | ODD
        )
    if draw(st.integers(1, 20)) == 20:
        changed = st.sampled_from(
            [dict(config='none.py'), {}, None, 'teacher.py', dict(checkpoint=None),
             dict(checkpoint='none.pth'), dict(cache='none'), dict(config=None), dict(config={})]
        )  # fmt: skip
        changed = draw(changed)
        whole = isinstance(changed, dict) and changed
        config['teacher'] = {**teacher, **changed} if whole else changed
    return config, draw(st.integers(1, 8)) == 8 and draw(spoiled(config))


@st.composite
def spoiled(draw, config):
    """Put an unknown key into one of the dicts below; returns whether there was one."""
    places = [config]
    for term in config['terms'].values() if isinstance(config['terms'], dict) else ():
        places += _dicts(term)
    for name in ('balance', 'super_voxels', 'teacher'):
        if isinstance(config.get(name), dict):
            places.append(config[name])
    draw(st.sampled_from(places))[UNKNOWN] = draw(st.sampled_from([1, None, 'x']))
    return True


def _dicts(node) -> list[dict]:
    """A dict and those in it that are no mere values."""
    if not isinstance(node, dict) or not node:
        return []
    return [node, *(inner for part in node.values() for inner in _dicts(part))]


HOOKS_DRAWN = ['DistillScheduleHook', 'GradientLogHook', 'FiniteStepHook', 'BatchCompositionHook']


def hooks():
    """Hooks of a distillation run."""
    names = [name for name in HOOKS_DRAWN if HOOKS.get(name) is not None]
    one = typed(names, HOOKS)
    return st.lists(seldom(one, st.sampled_from([None, 'ReseedHook', 3]), 30), max_size=2)


@MODELS.register_module()
class ToyRows(nn.Module):
    """A backbone of one layer for each voxel: it steps in a millisecond."""

    def __init__(self, in_channels: int = 6, width: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(in_channels, width)
        self.last = nn.Linear(width, width)

    def forward(self, feat, coors):
        return self.last(torch.relu(self.stem(feat)))


def toy_segmentor(width: int) -> dict:
    """Config of a segmentor that steps in milliseconds."""
    return dict(
        type='MinkUNet',
        data_preprocessor=dict(type='VoxelSegDataPreprocessor', voxel_size=0.2),
        backbone=dict(type='ToyRows', width=width),
        decode_head=dict(
            type='VoxelSegHead', channels=width, num_classes=5, ignore_index=5,
            loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
        ),
    )  # fmt: skip


@st.composite
def loaders(draw, dataset):
    """A loader of few labeled scans whose batches are composed, and whether a key is unknown."""
    kind = DATASETS.get('PartialLabels')
    labeled = st.sampled_from([1, 2, 0.5, 1.0, ['scene0000_00'], 6, 0, 7, -0.5, [], 'x', ['none']])
    partial = dict(type='PartialLabels', **draw(arguments(kind, ('dataset', 'labeled'))))
    partial |= dict(dataset=copy.deepcopy(dataset), labeled=draw(labeled))
    none_labeled = dict(type='UnlabeledScans', dataset=copy.deepcopy(dataset))
    name = draw(st.sampled_from(['CrossSampleBatchSampler', 'LabeledBatchSampler']))
    own = ('sampler', 'batch_size', 'statistics')
    config = dict(
        batch_size=draw(seldom(COUNTS, FEW, 10)),
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=draw(st.booleans())),
        batch_sampler=dict(type=name, **draw(arguments(DATA_SAMPLERS.get(name), own))),
        dataset=draw(seldom(st.just(partial), st.just(none_labeled))),
    )
    unknown = draw(st.integers(1, 10)) == 10
    if unknown:
        places = (config['dataset'], config['batch_sampler'], config['sampler'], config)
        draw(st.sampled_from(places))[UNKNOWN] = 1
    return config, unknown
