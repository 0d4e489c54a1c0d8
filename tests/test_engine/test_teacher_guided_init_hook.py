"""The hook on a real runner: a student that starts from its teacher, once."""

import pytest
import torch
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset
from zoo_detectors import build, small

from projects.SRKD.engine.teacher_guided_init_hook import TeacherGuidedInitHook
from projects.SRKD.models.compression import compressed, inherit


class Nothing(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return dict(inputs=torch.ones(1))


class Idle(nn.Module):
    """Holds a student, whose parameters a step leaves where they are."""

    def __init__(self, student, teacher=None):
        super().__init__()
        self.student = student
        if teacher is not None:
            self.__dict__['teacher'] = teacher

    def train_step(self, data, optim_wrapper):
        return dict(loss=torch.zeros(()))


def weights(model):
    return {key: value.clone() for key, value in model.student.state_dict().items()}


def run(tmp_path, model, hook, **kwargs):
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        experiment_name=f'{tmp_path.name}_{id(model)}',
        train_dataloader=dict(
            dataset=kwargs.pop('dataset', Nothing()),
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=kwargs.pop('max_epochs', 1)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[hook],
        default_scope='mmdet3d',
        **kwargs,
    )
    runner.train()


@pytest.fixture
def cfg():
    return small('pointpillars')


@pytest.fixture
def checkpoint(cfg, tmp_path):
    path = tmp_path / 'teacher.pth'
    state = {f'module.{key}': value for key, value in build(cfg).state_dict().items()}
    torch.save(dict(state_dict=state), path)
    return str(path)


def expected(cfg, checkpoint, keep='norm'):
    state = torch.load(checkpoint)['state_dict']
    student = build(compressed(cfg, 4))
    inherit(student, {key.removeprefix('module.'): value for key, value in state.items()}, keep)
    return student.state_dict()


def same(ours, theirs):
    return all(torch.equal(ours[key], value) for key, value in theirs.items())


@pytest.mark.parametrize('keep', ['norm', 'first'])
def test_training_begins_from_the_teacher(cfg, checkpoint, tmp_path, keep):
    model = Idle(build(compressed(cfg, 4)))
    run(tmp_path, model, TeacherGuidedInitHook(checkpoint, keep=keep))
    assert same(weights(model), expected(cfg, checkpoint, keep))
    assert not same(expected(cfg, checkpoint, 'norm'), expected(cfg, checkpoint, 'first'))


TURNED = ('Car', 'Cyclist', 'Pedestrian')


@pytest.mark.parametrize('where', [dict(dataset_meta=dict(classes=TURNED)), dict(CLASSES=TURNED)])
def test_predictions_follow_the_names_of_the_classes(cfg, checkpoint, tmp_path, where):
    class Named(Nothing):
        metainfo = dict(classes=['Pedestrian', 'Cyclist', 'Car'])

    stored = torch.load(checkpoint)
    torch.save(stored | dict(meta=where), checkpoint)
    cfg.bbox_head.assign_per_class = False  # else anchors belong to classes: their sizes differ
    model = Idle(build(compressed(cfg, 4)))
    before = weights(model)
    run(tmp_path, model, TeacherGuidedInitHook(checkpoint), dataset=Named(), cfg=dict(model=cfg))
    theirs = stored['state_dict']['module.bbox_head.conv_cls.bias'].view(6, 3)
    assert torch.equal(weights(model)['bbox_head.conv_cls.bias'].view(6, 3), theirs.flip(1))
    reg = stored['state_dict']['module.bbox_head.conv_reg.bias']
    assert torch.equal(weights(model)['bbox_head.conv_reg.bias'], reg)
    assert not same(weights(model), before)


def test_predictions_of_classes_that_cannot_be_mapped_stay_as_initialized(
    cfg, checkpoint, tmp_path
):
    class Named(Nothing):
        metainfo = dict(classes=['Pedestrian', 'Cyclist', 'Car'])

    meta = dict(dataset_meta=dict(classes=('Car', 'Cyclist', 'Van')))
    torch.save(torch.load(checkpoint) | dict(meta=meta), checkpoint)
    model = Idle(build(compressed(cfg, 4)))
    before = weights(model)
    run(tmp_path, model, TeacherGuidedInitHook(checkpoint), dataset=Named(), cfg=dict(model=cfg))
    layers = ('bbox_head.conv_cls', 'bbox_head.conv_reg', 'bbox_head.conv_dir_cls')
    for key, value in weights(model).items():
        if key.startswith(layers) and key.endswith('weight'):
            assert torch.equal(value, before[key]), key
    assert not torch.equal(
        weights(model)['backbone.blocks.0.0.weight'], before['backbone.blocks.0.0.weight']
    )


def test_a_distillation_names_the_checkpoint_itself(cfg, checkpoint, tmp_path):
    class Teacher:
        pass

    Teacher.checkpoint = checkpoint
    model = Idle(build(compressed(cfg, 4)), Teacher)
    run(tmp_path, model, TeacherGuidedInitHook())
    assert same(weights(model), expected(cfg, checkpoint))


def test_a_student_that_was_loaded_is_left_alone(cfg, checkpoint, tmp_path):
    model = Idle(build(compressed(cfg, 4)))
    before = weights(model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'student.pth')
    hook = TeacherGuidedInitHook(checkpoint)
    run(tmp_path, model, hook, load_from=str(tmp_path / 'student.pth'))
    assert same(weights(model), before)


def test_a_resumed_student_is_left_alone_but_a_first_run_is_not(cfg, checkpoint, tmp_path):
    model = Idle(build(compressed(cfg, 4)))
    # resume=True with nothing to resume, as a cluster's restarted job has it
    run(tmp_path, model, TeacherGuidedInitHook(checkpoint), resume=True)
    assert same(weights(model), expected(cfg, checkpoint))
    with torch.no_grad():
        model.student.bbox_head.conv_cls.bias.fill_(7.0)
    torch.save(torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
               | dict(state_dict=model.state_dict()), tmp_path / 'epoch_1.pth')  # fmt: skip
    run(tmp_path, model, TeacherGuidedInitHook(checkpoint), resume=True, max_epochs=2)
    assert model.student.bbox_head.conv_cls.bias.eq(7.0).all()


def test_no_checkpoint_anywhere_is_refused(cfg, tmp_path):
    with pytest.raises(ValueError, match='has no checkpoint and Idle no teacher, expected'):
        run(tmp_path, Idle(build(compressed(cfg, 4))), TeacherGuidedInitHook())
