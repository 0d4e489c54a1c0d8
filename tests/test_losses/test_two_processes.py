"""Every term in two gloo processes beside one that has the whole batch: values and gradients."""

import inspect
import warnings

import pytest
import torch
import torch.distributed as dist
from mmdet3d.registry import MODELS
from mmengine.model import MMDistributedDataParallel
from processes import run_group
from torch import nn

import projects.SRKD  # noqa: F401 - registers every loss
from projects.SRKD.distill import DistillTerm, MatchedPoints
from projects.SRKD.losses import SuperVoxelSampler
from projects.SRKD.ops import rank_share

CLASSES, BOXES = 7, 3
SIZES = (5, 19, 12, 9)  # rows of four scans: of one is rank 0, of three rank 1
FIRST = 1  # scans of rank 0
TAP = 'decode_head.conv_seg'
ALL = dict(num_super_voxels=99, min_rows=1)  # every super-voxel is drawn: nothing is random


def of_rows(fields):
    return int((fields['batch'] >= 0).sum())


def of_anchors(fields):
    counts = torch.bincount(fields['batch']) if of_rows(fields) else torch.zeros(1)
    return int(counts.clamp(max=6).sum())


def of_super_voxels(fields):
    draw = SuperVoxelSampler(PARTITION, 99, min_rows=1)
    return len(draw(fields['coord'], fields['batch'])[1])


def of_pairs(fields):
    clouds = len(torch.unique(fields['batch']))
    return clouds * (clouds - 1) // 2


GRAPH = dict(graph_channels=4, num_anchors=6, num_neighbors=3)
PLAIN = dict(graph_channels=None, num_anchors=6, num_neighbors=3)
AFFINITY = dict(ALL, weighting='none')
PARTITION = dict(type='CubePartition', size=1.0)

# By name in the registry: options, in which two processes are one ...
WHOLE = {
    'AnchorBoxLoss': [dict(), dict(margin=0.3)],
    'AnchorLogitLoss': [dict(mask='none'), dict(), dict(soft=False),
                        dict(mask='teacher', threshold=0.6)],
    'AttentionTransferLoss': [dict()],
    'CenterRegressionLoss': [dict(), dict(classes=[0, 2])],
    'CentreRegressionLoss': [dict()],
    'ChannelKLLoss': [dict(), dict(reduction='mean'), dict(direction='student_teacher')],
    'ClassTemperatureKLLoss': [dict(temperatures=range(1, CLASSES + 1))],
    'ConfidenceKLLoss': [dict(), dict(power=9.0)],
    'CorrectTeacherKLLoss': [dict(), dict(unlabeled='none')],
    'CrossSampleAffinityLoss': [
        dict(gather=True), dict(gather=True, pairs='off_diagonal'), dict(gather=True, pairs='all'),
        dict(gather=True, valid_only=False, direction='student_teacher', t2_scale=True),
    ],
    'FeatureMSELoss': [dict()],
    'ForegroundMSELoss': [dict(), dict(per_box=True, margin=0.2)],
    'LocalGraphLoss': [dict(PLAIN), dict(PLAIN, edge='sub', weights=None)],
    'PearsonLoss': [],
    'PivotalHeatmapLoss': [dict(classes=range(CLASSES), masks=masks, rank=rank, soft=soft)
                           for masks in ((), ('confidence', 'foreground'))
                           for rank, soft in ((None, True), (4, False))],
    'PointAffinityLoss': [dict(AFFINITY, partition=PARTITION),
                          dict(AFFINITY, normalize='none', partition=PARTITION)],
    'PointCountLocalGraphLoss': [dict(PLAIN)],
    'PseudoLabelLoss': [dict(threshold=0.3), dict(threshold=0.3, rows='all')],
    'SoftTargetKLLoss': [dict(), dict(skip_ignored=True), dict(direction='student_teacher')],
    'StandardizedKLLoss': [dict()],
    'VoxelAffinityLoss': [dict(AFFINITY, voxel_size=0.4, partition=PARTITION)],
    'VoxelChannelKLLoss': [dict(voxel_size=0.7)],
}  # fmt: skip
# ... and those whose statistics are of a rank's own scans, as docstrings say: a mean over units
PARTS = {
    'CrossSampleAffinityLoss': [(dict(), of_pairs)],  # without the pairs across ranks
    'LocalGraphLoss': [
        *((dict(GRAPH, guard=guard), of_anchors) for guard in ('frozen', 'normalized', 'none')),
        (dict(PLAIN, weights=dict(type='InertWeights')), of_anchors),
        (dict(PLAIN, across_samples=True), lambda fields: min(of_rows(fields), 6)),
    ],
    'PearsonLoss': [(dict(), of_rows)],
    'PointAffinityLoss': [
        (dict(ALL, partition=PARTITION), of_super_voxels),
        (dict(AFFINITY, normalize='scale', partition=PARTITION), of_super_voxels),
    ],
    'PointCountLocalGraphLoss': [(dict(GRAPH), of_anchors)],
    'VoxelAffinityLoss': [(dict(ALL, partition=PARTITION), of_super_voxels)],
}
TERMS = [(name, options, None) for name, forms in WHOLE.items() for options in forms]
TERMS += [(name, *form) for name, forms in PARTS.items() for form in forms]


def registered():
    return {k for k, v in MODELS.module_dict.items()
            if v.__module__.startswith('projects.SRKD.losses')}  # fmt: skip


def test_no_loss_is_forgotten():
    assert set(WHOLE) == registered() and set(PARTS) <= set(WHOLE)
    for name in registered():
        assert WHOLE[name] or PARTS[name], name


def global_batch():
    """Fields of all scans, rows in their order."""
    gen = torch.Generator().manual_seed(0)
    batch = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    rows = len(batch)
    fields = dict(
        student=torch.randn(rows, 5, generator=gen, dtype=torch.float64),
        teacher=2 * torch.randn(rows, CLASSES, generator=gen, dtype=torch.float64),
        coord=2 * torch.rand(rows, 3, generator=gen, dtype=torch.float64),
        batch=batch,
        label=torch.randint(-1, CLASSES, (rows,), generator=gen),
        count=torch.randint(1, 9, (rows,), generator=gen).float(),
        cell_size=(0.3, 0.3),
    )
    centers = [fields['coord'][batch == scan][: BOXES - scan % 2] for scan in range(len(SIZES))]
    fields['boxes'] = [torch.cat([xyz, torch.full((len(xyz), 4), 0.9)], dim=1) for xyz in centers]
    fields['classes'] = [torch.arange(len(box)) for box in fields['boxes']]
    return fields


def without_rows(fields):
    """No row of rank 0 is matched."""
    return taken(fields, fields['batch'] >= FIRST)


def without_labels(fields):
    """Nothing is known of rank 0's scans."""
    own = fields['batch'] < FIRST
    boxes = [each[:0] if i < FIRST else each for i, each in enumerate(fields['boxes'])]
    classes = [each[:0] if i < FIRST else each for i, each in enumerate(fields['classes'])]
    label = fields['label'].masked_fill(own, -1)
    return fields | dict(label=label, boxes=boxes, classes=classes)


def with_labels(fields):
    """All is known of rank 0's scans."""
    own = fields['batch'] < FIRST
    return fields | dict(label=torch.where(own, fields['label'].clamp(min=0), fields['label']))


BATCHES = dict(uneven=lambda fields: fields, without_rows=without_rows,
               without_labels=without_labels, with_labels=with_labels)  # fmt: skip


def taken(fields, rows):
    of_all = ('boxes', 'classes', 'cell_size')
    return {k: v if k in of_all else v[rows] for k, v in fields.items()}


def share(fields, rank):
    """What a rank sees: its scans, numbered from 0."""
    scans = slice(0, FIRST) if rank == 0 else slice(FIRST, None)
    mine = taken(fields, (fields['batch'] < FIRST) == (rank == 0))
    mine['batch'] = mine['batch'] - scans.start
    return mine | {name: fields[name][scans] for name in ('boxes', 'classes')}


class Student(nn.Module):
    def __init__(self, name, options):
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(5, CLASSES)
        widths = CLASSES, CLASSES
        self.term = DistillTerm(TAP, dict(type=name, **options), widths=widths)
        self.double()

    def forward(self, fields):
        pair = MatchedPoints(**fields | dict(student=self.layer(fields['student'])))
        return self.term(pair)


def step(net, fields):
    """Value, and gradients of all that is trained."""
    net.zero_grad()
    torch.manual_seed(2)
    value = net(fields)
    value.backward()
    grads = {n.removeprefix('module.'): p.grad.clone()
             for n, p in net.named_parameters() if p.requires_grad}  # fmt: skip
    return value.detach(), grads


def _rank(rank):
    warnings.simplefilter('ignore')
    answers = []
    for name, options, _ in TERMS:
        # refuses a step in which a parameter was not used
        net = MMDistributedDataParallel(Student(name, options), device_ids=None)
        for change in BATCHES.values():
            value, grads = step(net, share(change(global_batch()), rank))
            dist.all_reduce(value)  # as DDP averages
            answers.append((value / 2, grads))
    return answers, _shares(rank)


def _shares(rank):
    like, found = torch.zeros((), dtype=torch.float16), []
    for units in ((1, 3), (0, 4), (0, 0), (torch.nan, 2), (2, 2)):
        found.append(rank_share(units[rank], like))
    assert all(each.dtype == torch.float32 for each in found)
    return [each.item() for each in found]


@pytest.fixture(scope='module')
def ranks():
    return run_group(_rank, 2)


def one_process(name, options, units, fields):
    """What two processes are to find, computed in this one."""
    net = Student(name, options)
    if units is None:
        return step(net, fields)
    parts = [(units(share(fields, rank)), *step(net, share(fields, rank))) for rank in range(2)]
    total = sum(count for count, *_ in parts)
    if not total:
        return parts[0][1:]
    value = sum(count / total * value for count, value, _ in parts)
    grads = {k: sum(count / total * grads[k] for count, _, grads in parts) for k in parts[0][2]}
    return value, grads


CASES = [(*term, name) for term in TERMS for name in BATCHES]


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('case', range(len(CASES)), ids=[f'{n}, {o}, {b}' for n, o, _, b in CASES])
def test_two_processes_find_what_one_finds(ranks, case):
    name, options, units, batch = CASES[case]
    expected, grads = one_process(name, options, units, BATCHES[batch](global_batch()))
    pivotal = name in ('AnchorLogitLoss', 'PivotalHeatmapLoss')  # 1e-6 in the divisor of each rank
    near = dict(rtol=1e-5 if pivotal else 1e-9, atol=1e-12)
    for answers, _ in ranks:
        value, found = answers[case]
        torch.testing.assert_close(value, expected, **near)
        for key, grad in grads.items():
            torch.testing.assert_close(found[key], grad, msg=key, **near)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('term', [t for t in TERMS if t[2]], ids=lambda t: f'{t[0]}, {t[1]}')
def test_what_is_of_a_rank_alone_is_not_that_of_one_process(term):
    fields = global_batch()
    whole, _ = one_process(*term[:2], None, fields)
    parts, _ = one_process(*term, fields)
    assert abs(whole / parts - 1) > 1e-6
    said = inspect.getdoc(MODELS.get(term[0])) + inspect.getdoc(MODELS.get(term[0]).__mro__[1])
    assert 'process' in said


def test_a_mean_over_no_units_counts_for_nothing(ranks):
    (_, first), (_, second) = ranks
    assert first == [0.5, 0, 1, 0, 1] and second == [1.5, 2, 1, 2, 1]
