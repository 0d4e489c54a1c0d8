"""``init_cfg=dict(type='FromTeacher')`` in distillation models, plain runs and real trainings."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from processes import run_group
from toy import IMITATE, KD, batch, build, minkunet, ptv3, save_checkpoint, total, write_scannet
from toy_training import NUM_CLASSES, REPO, checkpoint_of, distill_config, plain_config
from zoo_detectors import small

from projects.SRKD import configs
from projects.SRKD.models.compression import compressed, select_weights, shuffle_channels
from projects.SRKD.preflight.arguments import check_arguments

STUDENT, TEACHER = (ptv3(width, num_classes=NUM_CLASSES) for width in (8, 16))
HEAD = 'decode_head.conv_seg'
ROOMS = REPO / 'studies/teachers/rooms.safetensors'


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    return dict(config=TEACHER, checkpoint=save_checkpoint(TEACHER, path, seed=7))


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_scannet(tmp_path_factory.mktemp('scannet') / 'data')


@pytest.fixture(scope='module')
def expected(teacher):
    return expected_of(teacher)


def expected_of(teacher):
    """Weights of the student but for its predictions."""
    student, network = build(STUDENT), build(TEACHER)
    network.load_state_dict(torch.load(teacher['checkpoint'])['state_dict'])
    select_weights(student, network)
    return without_head(student.state_dict())


def without_head(weights):
    return {key: value.clone() for key, value in weights.items() if HEAD not in key}


def same(ours, theirs):
    return all(torch.equal(ours[key], value) for key, value in theirs.items())


def distiller(student, teacher, **kwargs):
    terms = dict(kd=KD, imitate=IMITATE)
    return build(
        dict(type='DistillSegmentor', student=student, teacher=teacher, terms=terms, **kwargs)
    )


def initialized(model):
    model.init_weights()
    return model


def test_of_a_distillation_model_it_takes_the_models_teacher(teacher, expected):
    model = distiller(STUDENT, teacher, init_cfg=dict(type='FromTeacher'))
    head = model.student.decode_head.conv_seg.weight.clone()
    initialized(model)
    assert same(model.student.state_dict(), expected)
    # mmengine's own initialization of the head has run
    assert not torch.equal(model.student.decode_head.conv_seg.weight, head)
    assert model.student.decode_head.conv_seg.weight.std() < 0.02
    assert not any(p.requires_grad for p in model.teacher.network.parameters())


@pytest.mark.parametrize('as_list', [False, True])
def test_of_the_student_inside_it_takes_the_same(teacher, expected, as_list):
    init_cfg = dict(type='FromTeacher')
    student = STUDENT | dict(init_cfg=[init_cfg] if as_list else init_cfg)
    model = initialized(distiller(student, teacher))
    assert same(model.student.state_dict(), expected)
    assert init_cfg == dict(type='FromTeacher')  # the config is left as it was


def test_a_plain_student_names_config_and_checkpoint(teacher, expected):
    student = initialized(build(STUDENT | dict(init_cfg=dict(type='FromTeacher', **teacher))))
    assert same(student.state_dict(), expected)


def test_another_checkpoint_than_the_models_can_be_named(teacher, tmp_path):
    other = dict(config=TEACHER, checkpoint=save_checkpoint(TEACHER, tmp_path / 'other.pth', 3))
    init_cfg = dict(type='FromTeacher', checkpoint=other['checkpoint'])
    model = initialized(distiller(STUDENT, teacher, init_cfg=init_cfg))
    assert same(model.student.state_dict(), expected_of(other))


def test_a_student_of_equal_size_predicts_as_its_teacher(teacher):
    model = initialized(distiller(TEACHER, teacher, init_cfg=dict(type='FromTeacher'))).eval()
    network = model.teacher.network
    model.student.decode_head.load_state_dict(network.decode_head.state_dict())
    assert same(model.student.state_dict(), network.state_dict())


def test_the_shuffled_control_follows_its_seed(teacher, expected):
    found = {}
    for seed in (0, 1, 0):
        init_cfg = dict(type='FromShuffledTeacher', seed=seed)
        weights = initialized(distiller(STUDENT, teacher, init_cfg=init_cfg)).student.state_dict()
        weights = without_head(weights)
        assert not same(weights, expected)
        assert same(weights, found.setdefault(seed, weights))
    assert not same(found[0], found[1])
    control = build(STUDENT)
    control.load_state_dict(expected, strict=False)
    shuffle_channels(control, 1, but=[HEAD])
    assert same(control.state_dict(), found[1])


def test_a_detector_starts_from_its_models_teacher(tmp_path):
    wide = small('pointpillars')
    checkpoint = save_checkpoint(wide, tmp_path / 'teacher.pth')
    model = build(
        dict(
            type='DistillDetector',
            student=dict(type='CompressedDetector', detector=wide, compression=4),
            teacher=dict(config=wide, checkpoint=checkpoint),
            terms=dict(),
            teacher_boxes=dict(score_thr=0.6),
            init_cfg=dict(type='FromTeacher'),
        )
    )
    initialized(model)
    student = build(compressed(wide, 4))
    left = select_weights(student, model.teacher.network)
    keys = [key for key in student.state_dict() if key.rpartition('.')[0] not in left]
    assert same(model.student.state_dict(), {key: student.state_dict()[key] for key in keys})
    # the student's own init_cfg, within the detector that is compressed
    config = dict(wide, init_cfg=dict(type='FromTeacher'))
    model = build(
        dict(
            type='DistillDetector',
            student=dict(type='CompressedDetector', detector=config, compression=4),
            teacher=dict(config=wide, checkpoint=checkpoint),
            terms=dict(),
            teacher_boxes=dict(score_thr=0.6),
        )
    )
    initialized(model)
    assert same(model.student.state_dict(), {key: student.state_dict()[key] for key in keys})


def test_the_mini_pair_takes_a_step_from_its_config():
    config = Config.fromfile(
        configs('mini/kd_ptv3-mini-m_ptv3-mini-s_1xb4-60e_mini-scannet-seg-4labeled.py')
    )
    config.merge_from_dict({
        'model.init_cfg.type': 'FromTeacher',
        'model.teacher.checkpoint': str(ROOMS),
    })  # fmt: skip
    model = initialized(build(config.model)).train()
    theirs = model.teacher.network.state_dict()
    key = 'backbone.enc.enc2.block1.mlp.0.fc1.weight'
    assert key in theirs and key not in model.student.state_dict()  # the teacher is deeper
    key = key.replace('block1', 'block0')
    assert torch.equal(model.student.state_dict()[key], theirs[key][::3, ::3])
    model.learn_classes(model.teacher.classes)
    data = model.data_preprocessor(batch(num_classes=NUM_CLASSES), training=True)
    total(model.loss(**data)).backward()
    assert all(p.grad is not None for p in model.student.parameters())


# --- runs ----------------------------------------------------------------------------------------


def frozen(config):
    """A run whose optimizer moves nothing, and whose norms keep their statistics of the start."""
    config.optim_wrapper.optimizer = dict(type='SGD', lr=0.0)
    return config


def parameters(weights):
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    return {key: value for key, value in weights.items() if not key.endswith(statistics)}


def test_a_training_starts_from_the_teacher_under_ema(tmp_path, data_root, teacher, expected):
    config = frozen(distill_config(data_root, tmp_path / 'run', teacher, STUDENT, epochs=1))
    config.merge_from_dict({'model.init_cfg.type': 'FromTeacher'})  # what --cfg-options does
    config.custom_hooks.append(dict(type='EMAHook', momentum=0.5))
    check_arguments(config)
    Runner.from_cfg(config).train()
    checkpoint = checkpoint_of(tmp_path / 'run', 1)
    assert same(checkpoint['state_dict'], parameters(expected))
    average = {key.removeprefix('module.'): value
               for key, value in checkpoint['ema_state_dict'].items()}  # fmt: skip
    for key, value in parameters(expected).items():
        torch.testing.assert_close(average[key], value)


def test_a_resumed_run_goes_on_from_its_checkpoint(tmp_path, data_root, teacher, expected):
    config = distill_config(data_root, tmp_path / 'run', teacher, STUDENT, epochs=1)
    config.model.init_cfg = dict(type='FromTeacher')
    Runner.from_cfg(copy.deepcopy(config)).train()
    trained = checkpoint_of(tmp_path / 'run', 1)['state_dict']
    assert not same(trained, parameters(expected))
    config = frozen(config)
    config.update(resume=True, experiment_name=f'again-{tmp_path.name}')
    config.load_from = str(tmp_path / 'run/epoch_1.pth')
    config.train_cfg.max_epochs = 2
    checkpoint = torch.load(config.load_from, weights_only=False)
    checkpoint['optimizer']['param_groups'][0]['lr'] = 0.0
    checkpoint['optimizer']['param_groups'][0]['weight_decay'] = 0.0
    config.optim_wrapper.optimizer = dict(type='AdamW', lr=0.0, weight_decay=0.0)
    torch.save(checkpoint, config.load_from)
    Runner.from_cfg(config).train()
    assert same(checkpoint_of(tmp_path / 'run', 2)['state_dict'], parameters(trained))


def test_a_plain_student_trains_from_a_config(tmp_path, data_root, teacher, expected):
    student = STUDENT | dict(init_cfg=dict(type='FromTeacher', **teacher))
    config = frozen(plain_config(data_root, tmp_path / 'run', student, epochs=1))
    check_arguments(config)
    Runner.from_cfg(config).train()
    weights = checkpoint_of(tmp_path / 'run', 1)['state_dict']
    assert same(weights, parameters(without_head(expected)))


def _rank(rank, folder, teacher):
    """What a process of two starts from; each has random numbers of its own."""
    student = STUDENT | dict(init_cfg=dict(type='FromShuffledTeacher', **teacher))
    config = plain_config(folder / 'none', folder / f'run{rank}', student, epochs=1)
    torch.manual_seed(rank)
    model = build(config.model)
    runner = Runner(
        model, work_dir=str(folder / 'run'), experiment_name='ranks', launcher='none',
        default_scope='mmdet3d',
    )  # fmt: skip
    runner._init_model_weights()
    return {key: value.clone() for key, value in model.state_dict().items()}


def test_every_rank_starts_from_the_same_weights(tmp_path, teacher):
    first, second = run_group(_rank, 2, tmp_path, teacher)
    assert same(first, second)
    assert same(second, first)


# --- what is refused -----------------------------------------------------------------------------


def test_no_teacher_anywhere_is_refused():
    student = build(STUDENT | dict(init_cfg=dict(type='FromTeacher')))
    message = 'init_cfg of MinkUNet: FromTeacher has no config and MinkUNet no teacher, expected'
    with pytest.raises(ValueError, match=message):
        student.init_weights()


def test_a_missing_checkpoint_is_refused(tmp_path):
    missing = tmp_path / 'gone.pth'
    for init_cfg, message in (
        (dict(config=TEACHER, checkpoint=str(missing)), 'teacher checkpoint .*gone.pth does not'),
        (dict(config=TEACHER), 'teacher has no checkpoint, expected the path of its trained'),
        (dict(config=str(tmp_path / 'gone.py')), 'teacher config .*gone.py does not exist'),
    ):
        student = build(STUDENT | dict(init_cfg=dict(type='FromTeacher', **init_cfg)))
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            student.init_weights()


def test_a_teacher_of_another_family_is_refused(tmp_path):
    other = minkunet(8, num_classes=NUM_CLASSES)
    teacher = dict(config=other, checkpoint=save_checkpoint(other, tmp_path / 'other.pth'))
    model = distiller(STUDENT, teacher, init_cfg=dict(type='FromTeacher'))
    with pytest.raises(ValueError, match='must be of one family, but backbone of the student'):
        model.init_weights()


def test_an_argument_that_nothing_takes_is_refused_before_building(teacher):
    model = STUDENT | dict(init_cfg=dict(type='FromTeacher', block='even', **teacher))
    with pytest.raises(ValueError, match='block'):
        check_arguments(Config(dict(model=model)))
