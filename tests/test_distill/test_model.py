import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.runner.checkpoint import get_state_dict
from mmengine.runner.checkpoint import load_state_dict as mmengine_load
from torch import nn
from toy import IMITATE, KD, batch, build, distiller, minkunet, ptv3, save_checkpoint, total

from projects.SRKD.base import UsageError
from projects.SRKD.distill import PointMatcher
from projects.SRKD.distill.taps import TapError
from projects.SRKD.distill.terms import DistillTerm

PAIRS = {
    'ptv3-ptv3': (ptv3(8), ptv3(16)),
    'ptv3-minkunet': (minkunet(8), ptv3(16)),
    'minkunet-minkunet': (minkunet(8), minkunet(16)),
}


@pytest.fixture(params=PAIRS)
def pair(request, tmp_path):
    student, teacher = PAIRS[request.param]
    return student, teacher, save_checkpoint(teacher, tmp_path / 'teacher.pth')


@pytest.fixture
def model(tmp_path):
    teacher = minkunet(16)
    return distiller(minkunet(8), teacher, save_checkpoint(teacher, tmp_path / 'teacher.pth'))


@pytest.mark.parametrize('teacher_voxel', [0.1, 0.15])
def test_every_pair_trains_with_equal_and_with_different_voxels(pair, teacher_voxel):
    student, teacher, checkpoint = pair
    teacher = copy.deepcopy(teacher)
    teacher['data_preprocessor']['voxel_size'] = teacher_voxel
    model = distiller(student, teacher, checkpoint)
    losses = model.loss(**model.data_preprocessor(batch(), training=True))
    logged = {'loss_sem_seg', 'loss_lovasz', 'loss_kd', 'loss_imitate', 'unmatched_rows'}
    assert logged == set(losses)
    loss, _ = model.parse_losses(losses)
    torch.testing.assert_close(loss, total(losses))
    loss.backward()
    assert all(torch.isfinite(value) for value in losses.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f'{name} has no gradient'


def test_state_dict_is_the_students_key_for_key(model):
    assert list(model.state_dict()) == list(model.student.state_dict())
    assert model.state_dict()._metadata.keys() == model.student.state_dict()._metadata.keys()
    assert get_state_dict(model).keys() == model.student.state_dict().keys()


def test_weights_of_a_plain_student_load_strictly_and_connectors_stay(model):
    plain = build(minkunet(8))
    connector = model.terms['imitate'].connector.weight.clone()
    for load in (
        lambda state: model.load_state_dict(state, strict=True),
        lambda state: mmengine_load(model, state, strict=True),
    ):
        nn.init.zeros_(model.student.decode_head.conv_seg.weight)
        load(plain.state_dict())
        assert torch.equal(
            model.student.decode_head.conv_seg.weight, plain.decode_head.conv_seg.weight
        )
    assert torch.equal(model.terms['imitate'].connector.weight, connector)
    assert list(plain.state_dict()) == list(build(minkunet(8)).state_dict())


def test_distilled_weights_load_strictly_into_the_plain_student(model):
    plain = build(minkunet(8))
    plain.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(plain.decode_head.conv_seg.weight, model.student.decode_head.conv_seg.weight)


def test_a_missing_key_of_the_student_is_still_refused(model):
    state = model.state_dict()
    state.pop('decode_head.conv_seg.weight')
    with pytest.raises(RuntimeError, match='conv_seg.weight'):
        model.load_state_dict(state, strict=True)


def test_key_map_works_under_a_prefix_as_ddp_and_ema_ask(model):
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    state = Wrapper(model).state_dict()
    assert list(state) == [f'module.{key}' for key in model.student.state_dict()]
    assert set(state._metadata) - {''} == {
        f'module.{key}'.rstrip('.') for key in model.student.state_dict()._metadata
    }
    before = {key: value.clone() for key, value in state.items()}
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.zero_()
    Wrapper(model).load_state_dict(before, strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[f'module.{key}']), key


def test_teacher_is_in_no_state_optimizer_group_or_copy(model):
    teacher = model.teacher.network
    ours = {id(parameter) for parameter in model.parameters()}
    assert not any(id(parameter) in ours for parameter in teacher.parameters())
    averaged = ExponentialMovingAverage(model)
    assert averaged.module.teacher is model.teacher
    assert {key.removeprefix('module.') for key in averaged.state_dict()} - {'steps'} == set(
        model.student.state_dict()
    )


def test_teacher_stays_in_eval_frozen_and_unchanged_by_training(model):
    before = copy.deepcopy(model.teacher.network.state_dict())
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        total(model.loss(**model.data_preprocessor(batch(), True))).backward()
        optimizer.step()
    assert not any(module.training for module in model.teacher.network.modules())
    assert not any(parameter.requires_grad for parameter in model.teacher.network.parameters())
    for name, value in model.teacher.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_init_weights_leaves_the_teacher_as_loaded(model):
    saved = torch.load(model.teacher.checkpoint, weights_only=True)['state_dict']
    model.init_weights()
    for name, value in model.teacher.network.state_dict().items():
        assert torch.equal(value, saved[name]), name


def test_prediction_never_builds_the_teacher(model):
    model.eval()
    results = model.val_step(batch())
    assert not model.teacher.built
    assert [len(result.pred_pts_seg.pts_semantic_mask) for result in results] == [300, 200]


def test_a_perfect_student_has_no_distillation_loss(tmp_path):
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    term = dict(student_tap='backbone', loss=dict(type='FeatureMSELoss'))
    model = distiller(teacher, teacher, checkpoint, kd=KD, imitate=term).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)['state_dict'])
    losses = model.loss(**model.data_preprocessor(batch(), False))
    assert losses['loss_kd'].abs() < 1e-6
    assert losses['loss_imitate'].abs() < 1e-10


def test_without_distillation_the_teacher_is_not_run_and_every_parameter_has_a_gradient(model):
    model.set_distill_scale(0.0)
    losses = model.loss(**model.data_preprocessor(batch(), True))
    total(losses).backward()
    assert not model.teacher.built
    assert losses['loss_imitate'] == 0
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_scale_multiplies_the_distillation_losses_alone(model):
    data = model.data_preprocessor(batch(), True)
    model.eval()
    full = model.loss(**data)
    model.set_distill_scale(0.25)
    quarter = model.loss(**data)
    torch.testing.assert_close(quarter['loss_kd'], full['loss_kd'] * 0.25)
    torch.testing.assert_close(quarter['loss_sem_seg'], full['loss_sem_seg'])


def test_a_runner_without_the_checkpoint_hook_is_refused(model):
    with pytest.raises(RuntimeError, match='DistillCheckpointHook'):
        model(**model.data_preprocessor(batch(), True), mode='loss')


def test_a_model_without_terms_is_refused(tmp_path):
    with pytest.raises(ValueError, match='has no terms.*plain config'):
        distiller(minkunet(8), minkunet(8), str(tmp_path / 'unused.pth'), kd=None)


@pytest.mark.parametrize('name', [
    'a.b', 'loss_kd', '', 'two words', '1st', 'keys', 'items', 'values', 'pop', 'update', 'type',
    'training', 'forward', 'parameters', 'to', 'float', 'clear', 'add_module',
])  # fmt: skip
def test_a_term_name_that_cannot_be_kept_or_logged_is_refused(tmp_path, name):
    with pytest.raises(
        ValueError, match='name of a term must be an identifier without "loss".*but got'
    ):
        distiller(minkunet(8), minkunet(8), str(tmp_path / 'unused.pth'), **{name: KD})


def test_a_term_never_takes_the_place_of_a_loss_of_the_student(tmp_path):
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    model = distiller(minkunet(8), teacher, checkpoint, sem_seg=KD)
    data = model.data_preprocessor(batch(), True)
    message = 'model.terms.sem_seg would take the place of loss_sem_seg'
    with pytest.raises(ValueError, match=message):
        model.loss(**data)
    model.set_distill_scale(0.0)
    with pytest.raises(ValueError, match=message):
        model.loss(**data)


@pytest.mark.parametrize('weight', [-1.0, float('nan'), float('inf'), None, 'much'])
def test_a_weight_that_is_none_is_refused(tmp_path, weight):
    term = dict(KD, loss=dict(KD['loss'], loss_weight=weight))
    message = "loss_weight of term 'kd' must be finite and at least 0"
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    with pytest.raises(ValueError, match=message):
        distiller(minkunet(8), teacher, checkpoint, kd=term)


def test_predictions_are_compared_at_heads_alone(tmp_path):
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    message = "SoftTargetKLLoss of term 'kd' compares predictions, but tap 'backbone'"
    with pytest.raises(ValueError, match=message):
        distiller(minkunet(8), teacher, checkpoint, kd=dict(KD, student_tap='backbone'))


def test_the_data_says_how_scans_are_cut_where_a_term_does_not(tmp_path):
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    term = dict(student_tap='backbone', loss=dict(type='PointAffinityLoss'))
    own = dict(term, loss=dict(term['loss'], num_super_voxels=2))
    model = build(
        dict(
            type='DistillSegmentor',
            student=minkunet(8),
            teacher=dict(config=teacher, checkpoint=checkpoint),
            terms=dict(kd=KD, a=term, b=own),
            super_voxels=dict(partition=dict(type='CylinderPartition'), num_super_voxels=24),
        )
    )
    samplers = [model.terms[name].loss.sampler for name in 'ab']
    assert [sampler.num_super_voxels for sampler in samplers] == [24, 2]
    assert all(type(s.partition).__name__ == 'CylinderPartition' for s in samplers)
    losses = model.loss(**model.data_preprocessor(batch(), True))
    assert 0 < losses['a_rows'] <= 1 and 'kd_rows' not in losses


def test_a_term_set_to_none_is_left_out(tmp_path):
    teacher = minkunet(8)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    model = distiller(minkunet(8), teacher, checkpoint, kd=KD, imitate=None)
    assert list(model.terms) == ['kd']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            dict(student_tap='backbone.decodr.0'),
            r"student \(MinkUNet\) has no module 'backbone.decodr.0'.*backbone.decoder.0",
        ),
        (
            dict(teacher_tap='backbone.dec'),
            r"teacher \(MinkUNet\) has no module 'backbone.dec'.*nearest",
        ),
        (
            dict(connector=dict(type='LinearConnector', in_channels=9)),
            "'imitate' takes 9 channels but tap 'backbone' of the student has 8",
        ),
        (dict(connector=None), r"'imitate' compares channel by channel.*8.*16.*LinearConnector"),
        (dict(connector=dict(type='LinearConnector', out_channels=5)), 'set out_channels=16'),
    ],
)
def test_a_bad_term_is_refused_while_building(tmp_path, change, message):
    teacher = minkunet(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    with pytest.raises(ValueError, match=message):
        distiller(minkunet(8), teacher, checkpoint, imitate=IMITATE | change)


def test_different_classes_are_refused_while_building(tmp_path):
    teacher = minkunet(16, num_classes=7)
    with pytest.raises(ValueError, match='must predict the same classes'):
        distiller(minkunet(8), teacher, str(tmp_path / 'unused.pth'), kd=KD)


@pytest.mark.parametrize('part', [None, 'FeatureMSELoss', dict(loss_weight=1.0), []])
def test_a_part_without_a_type_is_refused(part):
    with pytest.raises(UsageError, match="loss of term 'kd' must be a dict with a type, such as"):
        DistillTerm('head', part, name='kd')
    if part is not None:
        with pytest.raises(UsageError, match="connector of term 'kd' must be a dict with a type"):
            DistillTerm('head', dict(type='FeatureMSELoss'), connector=part, name='kd')


def test_a_loss_without_an_argument_that_it_needs_is_refused():
    message = "ClassTemperatureKLLoss of term 'kd' needs the argument 'temperatures', but got loss_"
    with pytest.raises(UsageError, match=message):
        DistillTerm('head', dict(type='ClassTemperatureKLLoss', loss_weight=1.0), name='kd')


def test_a_connector_of_another_width_than_the_rows_is_refused_in_the_first_step():
    connector = dict(type='LinearConnector', in_channels=3, out_channels=16)
    loss = dict(type='FeatureMSELoss')
    term = DistillTerm('backbone', loss, connector=connector, name='imitate')
    message = "connector of term 'imitate' takes 3 channels but .* have 8: set in_channels=8"
    with pytest.raises(UsageError, match=message):
        term(SimpleNamespace(student=torch.zeros(2, 8)))


def test_a_tap_that_never_fires_is_named(tmp_path):
    teacher = minkunet(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    term = dict(student_tap='decode_head', loss=dict(type='FeatureMSELoss'))
    model = distiller(minkunet(8), teacher, checkpoint, imitate=term)
    message = "tap 'decode_head' of the teacher never fired.*conv_seg"
    with pytest.raises(TapError, match=message):  # a mistake of use, and a RuntimeError as before
        model.loss(**model.data_preprocessor(batch(), True))
    assert issubclass(TapError, UsageError) and issubclass(TapError, RuntimeError)


def test_losses_are_float32_and_finite_under_bfloat16(model):
    data = model.data_preprocessor(batch(), True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(**data)
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize('sizes', [(5, 40), (1, 3)])
def test_clouds_smaller_than_a_patch_are_distilled(tmp_path, sizes):
    teacher = ptv3(16)
    model = distiller(ptv3(8), teacher, save_checkpoint(teacher, tmp_path / 'teacher.pth'))
    losses = model.loss(**model.data_preprocessor(batch(sizes), True))
    total(losses).backward()
    assert all(torch.isfinite(value) for value in losses.values())


def test_a_batch_without_any_label_still_learns_from_the_teacher(model):
    data = batch()
    for sample in data['data_samples']:
        sample.gt_pts_seg.pts_semantic_mask.fill_(5)
    losses = model.loss(**model.data_preprocessor(data, True))
    total(losses).backward()
    assert losses['loss_sem_seg'] == losses['loss_lovasz'] == 0
    assert losses['loss_kd'] > 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_terms_on_equal_taps_share_one_matching(tmp_path, monkeypatch):
    calls = []
    original = PointMatcher.__call__
    monkeypatch.setattr(
        PointMatcher, '__call__', lambda self, *taps: calls.append(1) or original(self, *taps)
    )
    teacher = minkunet(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    model = distiller(minkunet(8), teacher, checkpoint, kd=KD, one=IMITATE, two=IMITATE)
    model.loss(**model.data_preprocessor(batch(), True))
    assert len(calls) == 2


def test_a_model_can_be_copied_after_a_step(model):
    model.loss(**model.data_preprocessor(batch(), training=True))
    twin = copy.deepcopy(model)
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), model.parameters()))


def test_taps_follow_modules_that_sync_bn_replaced(tmp_path):
    config = minkunet(8)
    term = dict(student_tap='backbone.conv_input.0.1', loss=dict(type='FeatureMSELoss'))
    model = distiller(config, config, save_checkpoint(config, tmp_path / 't.pth'), stem=term)
    stem = model.student.backbone.conv_input[0]
    assert isinstance(stem[1], nn.BatchNorm1d)
    setattr(stem, '1', nn.Identity())
    losses = model.loss(**model.data_preprocessor(batch(), training=True))
    assert losses['loss_stem'] > 0


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_a_cap_on_voxels_that_breaks_the_maps_is_refused(tmp_path, role):
    networks = dict(student=minkunet(8), teacher=minkunet(16))
    checkpoint = save_checkpoint(networks['teacher'], tmp_path / 'teacher.pth')
    preprocessor = dict(
        type='Det3DDataPreprocessor',
        voxel=True,
        voxel_type='minkunet',
        voxel_layer=dict(
            max_num_points=-1, point_cloud_range=[0, 0, 0, 1, 1, 1], voxel_size=[0.1, 0.1, 0.1]
        ),
        max_voxels=60,
    )
    networks[role]['data_preprocessor'] = preprocessor
    with pytest.raises(ValueError, match=f"the {role} caps its voxels.*'VoxelSegDataPreprocessor'"):
        distiller(networks['student'], networks['teacher'], checkpoint)


def test_a_deeper_connector_learns(tmp_path):
    teacher = minkunet(16)
    connector = dict(type='MLPConnector', hidden_channels=12)
    model = distiller(
        minkunet(8),
        teacher,
        save_checkpoint(teacher, tmp_path / 'teacher.pth'),
        imitate=dict(IMITATE, connector=connector),
    )
    learned = model.terms['imitate'].connector
    shapes = [tuple(layer.weight.shape) for layer in learned if isinstance(layer, nn.Linear)]
    assert shapes == [(12, 8), (16, 12)]
    model.loss(**model.data_preprocessor(batch(), training=True))['loss_imitate'].backward()
    assert all(p.grad.abs().sum() > 0 for p in learned.parameters())


def test_inference_builds_the_student_alone_and_loads_the_runs_checkpoint(model, tmp_path):
    nowhere = dict(config=str(tmp_path / 'no.py'), checkpoint=str(tmp_path / 'no.pth'))
    cfg = dict(type='DistillSegmentor', student=minkunet(8), teacher=nowhere, terms=dict(kd=KD))
    student = build({**cfg, 'train_cfg': None})  # as mmdet3d's init_model asks for it
    student.load_state_dict(model.state_dict(), strict=True)
    student.eval()
    data = student.data_preprocessor(batch())
    found = [sample.pred_pts_seg.pts_semantic_mask for sample in student(**data, mode='predict')]
    assert [len(mask) for mask in found] == [300, 200]
