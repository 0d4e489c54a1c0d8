"""Frames of which nothing is known: terms see them, the task's loss does not."""

import pytest
import torch
from mmdet3d.models import Base3DDetector
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from processes import run_group
from toy import save_checkpoint
from toy_detectors import centerpoint, detector_distiller, pointpillars, scenes

from projects.SRKD.base import UsageError
from projects.SRKD.distill.labeled_frames import loss_of_labeled

LIFT = dict(
    connector=dict(type='LinearConnector'), loss=dict(type='FeatureMSELoss', loss_weight=0.5)
)
NETWORKS = {
    'pointpillars': (pointpillars, 7, 'neck', 'bbox_head.conv_cls'),
    'centerpoint': (centerpoint, 9, 'pts_neck', 'pts_bbox_head.task_heads.0.heatmap'),
}


def make(name, checkpoint, **more):
    network, _, neck, logits = NETWORKS[name]
    terms = dict(
        map=dict(student_tap=neck, **LIFT),
        logits=dict(student_tap=logits, loss=dict(type='FeatureMSELoss')),
    )
    torch.manual_seed(0)
    return detector_distiller(network(8), network(16), checkpoint, terms, **more)


def saved(name, folder):
    return save_checkpoint(NETWORKS[name][0](16), folder / 'teacher.pth')


@pytest.fixture(params=NETWORKS)
def case(request, tmp_path):
    return request.param, saved(request.param, tmp_path)


def data(model, name, *unlabeled, frames=(0, 1, 2), seed=0):
    """Some of three frames, those in ``unlabeled`` without boxes."""
    batch = scenes((300, 200, 250), seed=seed, code_size=NETWORKS[name][1])
    for i in unlabeled:
        sample = batch['data_samples'][i]
        sample.gt_instances_3d = sample.gt_instances_3d[:0]
        sample.set_metainfo(dict(unlabeled=True))
    batch = {
        'inputs': dict(points=[batch['inputs']['points'][i] for i in frames]),
        'data_samples': [batch['data_samples'][i] for i in frames],
    }
    return model.data_preprocessor(batch, training=True)


def task(losses):
    """The task's losses, as numbers."""
    return {
        name: sum(map(float, value if isinstance(value, list) else [value]))
        for name, value in losses.items()
        if 'loss' in name and name not in ('loss_map', 'loss_logits')
    }


def test_the_loss_is_that_of_the_labeled_frames_alone(case):
    name, checkpoint = case
    model = make(name, checkpoint).eval()  # so that frames do not meet in batch norms
    part = model.loss(**data(model, name, 1))
    alone = model.loss(**data(model, name, frames=(0, 2)))
    assert task(part) == pytest.approx(task(alone), rel=1e-4)
    whole = model.loss(**data(model, name))
    assert task(part) != pytest.approx(task(whole), rel=1e-4)
    for term in ('loss_map', 'loss_logits'):  # of all three frames
        torch.testing.assert_close(part[term], whole[term])


def test_an_empty_frame_that_is_labeled_says_that_nothing_is_there(case):
    name, checkpoint = case
    model = make(name, checkpoint).eval()
    batch = data(model, name, 1)
    unknown = task(model.loss(**batch))
    batch = data(model, name, 1)
    batch['data_samples'][1].set_metainfo(dict(unlabeled=False))
    assert task(model.loss(**batch)) != pytest.approx(unknown, rel=1e-4)


def test_without_any_label_the_terms_train_every_parameter(case):
    name, checkpoint = case
    model = make(name, checkpoint)
    losses = model.loss(**data(model, name, 0, 1, 2))
    assert task(losses) == dict(loss_unlabeled=0.0) and losses['loss_map'] > 0
    model.parse_losses(losses)[0].backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
    assert 'loss_by_feat' not in vars(model.student.bbox_head if name == 'pointpillars'
                                      else model.student.pts_bbox_head)  # fmt: skip


def test_boxes_of_the_teacher_make_such_frames_known(case):
    name, checkpoint = case
    model = make(name, checkpoint, teacher_boxes=dict(score_thr=0.0)).eval()
    batch = data(model, name, 0, 1, 2)
    losses = task(model.loss(**batch))
    assert 'loss_unlabeled' not in losses and sum(losses.values()) > 0
    model.distill_scale = 0.0  # the teacher is not asked any more
    assert task(model.loss(**data(model, name, 0, 1, 2))) == dict(loss_unlabeled=0.0)


def test_a_detector_without_such_a_head_is_refused():
    class TwoStages(Base3DDetector):
        def __init__(self):
            torch.nn.Module.__init__(self)

        loss = predict = _forward = extract_feat = None

    with (
        pytest.raises(UsageError, match=r'a head of anchors or centers .*, but got a TwoStages'),
        loss_of_labeled(TwoStages(), [True, False]),
    ):
        pass


def _rank(rank, name, checkpoint):
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        model = make(name, checkpoint)
        model.keeps_connectors = True
        parallel = MMDistributedDataParallel(model)  # refuses a step with an unused parameter
        optimizer = torch.optim.SGD(parallel.parameters(), lr=0.01)
        for unlabeled in ([(), (0, 1, 2)][rank], (0, 1, 2)):
            optimizer.zero_grad()
            losses = parallel(**data(model, name, *unlabeled, seed=rank), mode='loss')
            model.parse_losses(losses)[0].backward()
            optimizer.step()
        weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        return float(weights.double().sum()), bool(torch.isfinite(weights).all())


def test_ranks_without_a_label_train_beside_those_with_some(case):
    one, other = run_group(_rank, 2, *case)
    assert one == other and one[1]
