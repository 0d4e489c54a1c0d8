"""Batches without a label: task losses are zero and in the graph, terms see every voxel."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from processes import run_group
from toy import KD, batch, distiller, ptv3, save_checkpoint

ROOT = Path(__file__).parents[2]
STUDENTS = {
    'ptv3': 'configs/mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    'minkunet': 'configs/mini/minkunet-mini_1xb4-15e_mini-semantickitti-frames.py',
}
CLASSES = 20


def student(name):
    """A mini network, for rooms of 20 classes."""
    config = Config.fromfile(ROOT / STUDENTS[name]).model.to_dict()
    config['backbone']['in_channels'] = 6
    config['data_preprocessor']['voxel_size'] = 0.1
    config['decode_head'].update(num_classes=CLASSES, ignore_index=CLASSES)
    return config


def terms(preset='srkd_all_scans'):
    return Config.fromfile(ROOT / f'configs/_base_/distill/{preset}.py').distill.terms.to_dict()


def make(name, checkpoint, **changes):
    torch.manual_seed(0)
    return distiller(student(name), ptv3(16, num_classes=CLASSES), checkpoint, **changes)


def hidden(data, *scans):
    """A batch some of whose scans have no label."""
    for scan in scans:
        data['data_samples'][scan].gt_pts_seg.pts_semantic_mask[:] = CLASSES
    return data


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('teacher')
    return save_checkpoint(ptv3(16, num_classes=CLASSES), folder / 'teacher.pth')


def losses_of(model, *scans, sizes=(700, 500)):
    data = hidden(batch(sizes, num_classes=CLASSES), *scans)
    return model.loss(**model.data_preprocessor(data, training=True))


@pytest.mark.parametrize('name', STUDENTS)
def test_a_batch_without_labels_trains_every_parameter_by_its_terms(name, checkpoint):
    model = make(name, checkpoint, **terms())
    losses = losses_of(model, 0, 1)
    for task in ('loss_sem_seg', 'loss_lovasz'):
        assert losses[task] == 0 and losses[task].requires_grad
        gradients = torch.autograd.grad(
            losses[task], list(model.student.parameters()), retain_graph=True, allow_unused=True
        )
        assert all(g is None or not g.any() for g in gradients)
        assert any(g is not None for g in gradients)  # in the graph
    assert all(losses[f'loss_{term}'] > 0 for term in terms())
    model.parse_losses(losses)[0].backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize('name', STUDENTS)
def test_the_task_sees_labeled_scans_alone_and_terms_see_all(name, checkpoint):
    model = make(name, checkpoint, kd=KD).eval()  # so that scans do not meet in batch norms
    whole, part = losses_of(model), losses_of(model, 1)
    assert part['loss_kd'] == whole['loss_kd'] > 0
    alone = batch((700, 500), num_classes=CLASSES)
    alone = {
        'inputs': dict(points=alone['inputs']['points'][:1]),
        'data_samples': alone['data_samples'][:1],
    }
    expected = model.loss(**model.data_preprocessor(alone, training=True))
    for task in ('loss_sem_seg', 'loss_lovasz'):
        torch.testing.assert_close(part[task], expected[task], rtol=1e-4, atol=1e-6)


def test_presets_of_relations_see_scans_without_labels(checkpoint):
    model = make('ptv3', checkpoint, **terms())
    full = make('ptv3', checkpoint, **terms('srkd'))
    assert losses_of(model, 0, 1)['loss_cross_sample'] > 0
    with pytest.warns(UserWarning, match='fewer than two with valid points'):
        assert losses_of(full, 0, 1)['loss_cross_sample'] == 0
    cross = {name: make('ptv3', checkpoint, **terms(name)).terms['cross_sample'].loss
             for name in ('srkd', 'srkd_all_scans')}  # fmt: skip
    one, other = (vars(loss) for loss in cross.values())
    assert {k for k in one if not k.startswith('_') and one[k] != other[k]} == {'valid_only'}


def _rank(rank, name, checkpoint):
    with DefaultScope.overwrite_default_scope('mmdet3d'):  # a teacher is built at its first use
        return _train(rank, name, checkpoint)


def _train(rank, name, checkpoint):
    model = make(name, checkpoint, **terms())
    parallel = MMDistributedDataParallel(model)  # refuses a step in which a parameter is unused
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.01)
    model.keeps_connectors = True
    tasks = []
    for scans in ([(), (0, 1)][rank], (0, 1)):  # one rank has labels, then none
        optimizer.zero_grad()
        data = hidden(batch((300, 200), seed=rank, num_classes=CLASSES), *scans)
        data = model.data_preprocessor(data, training=True)
        losses = parallel(**data, mode='loss')
        model.parse_losses(losses)[0].backward()
        optimizer.step()
        tasks.append(float(losses['loss_sem_seg']))
    state = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return tasks, bool(torch.isfinite(state).all()), float(state.double().sum())


@pytest.mark.parametrize('name', STUDENTS)
def test_ranks_without_a_label_train_beside_those_with_some(name, checkpoint):
    (labeled, finite, weights), (bare, _, others) = run_group(_rank, 2, name, checkpoint)
    assert labeled[0] > 0 and labeled[1] == 0 and bare == [0, 0]
    assert finite and weights == others
