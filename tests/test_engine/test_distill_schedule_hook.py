"""The schedule as a table, and on a real runner with a resume in its middle."""

import pytest
import torch
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from projects.SRKD.engine.distill_schedule_hook import DistillScheduleHook


class Ones(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dict(inputs=torch.ones(1))


class Student(BaseModel):
    """Records the scale of every iteration."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.seen = []

    def forward(self, inputs, mode='loss'):
        self.seen.append(self.distill_scale)
        return dict(loss=self.linear(torch.stack(inputs)).mean() * self.distill_scale)


class DistilledStudent(Student):
    def set_distill_scale(self, scale):
        self.distill_scale = scale


def train(tmp_path, hook, model=None, max_epochs=4, **kwargs):
    model = model or DistilledStudent()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        experiment_name=f'schedule_{id(model)}',
        train_dataloader=dict(
            dataset=Ones(),
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        train_cfg=kwargs.pop('train_cfg', dict(by_epoch=True, max_epochs=max_epochs)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[hook],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        default_scope='mmengine',
        **kwargs,
    )
    runner.train()
    return model, runner


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (dict(), [1, 1, 1, 1, 1]),
        (dict(begin_epoch=2), [0, 0, 1, 1, 1]),
        (dict(end_epoch=3), [1, 1, 1, 0, 0]),
        (dict(begin_epoch=1, end_epoch=3), [0, 1, 1, 0, 0]),
        (dict(end_epoch=1, fade_epochs=1), [1, 1 / 2, 0, 0, 0]),
        (dict(end_epoch=1, fade_epochs=3), [1, 3 / 4, 2 / 4, 1 / 4, 0]),
        (dict(end_epoch=0), [0, 0, 0, 0, 0]),
    ],
)
def test_the_scale_of_each_epoch(arguments, expected):
    hook = DistillScheduleHook(**arguments)
    assert [hook.scale(epoch) for epoch in range(5)] == pytest.approx(expected)


def test_the_model_has_the_scale_of_its_epoch_and_a_resume_finds_it_again(tmp_path):
    schedule = dict(
        type='DistillScheduleHook', begin_epoch=1, end_epoch=2, fade_epochs=1, _scope_='mmdet3d'
    )
    whole, runner = train(tmp_path / 'whole', dict(schedule))
    assert whole.seen == [0, 0, 1, 1, 0.5, 0.5, 0, 0]  # two iterations in each of four epochs
    history = runner.message_hub.get_scalar('train/distill_scale')
    assert history.current() == 0

    first, _ = train(tmp_path / 'parts', dict(schedule), max_epochs=2)
    rest, _ = train(tmp_path / 'parts', dict(schedule), resume=True)
    assert first.seen + rest.seen == whole.seen


def test_a_wrapped_model_is_reached(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/rendezvous', rank=0, world_size=1
    )
    try:
        wrapped = MMDistributedDataParallel(DistilledStudent())
        train(tmp_path, DistillScheduleHook(begin_epoch=1), wrapped, max_epochs=2)
        assert wrapped.module.seen == [0, 0, 1, 1]
        assert 'distill_scale' not in vars(wrapped)
    finally:
        torch.distributed.destroy_process_group()


def test_a_model_without_a_scale_is_refused(tmp_path):
    with pytest.raises(
        TypeError,
        match='must have set_distill_scale, as DistillSegmentor has, but got Student',
    ):
        train(tmp_path, DistillScheduleHook(), Student())


def test_a_model_of_before_has_its_attribute_set_with_a_warning(tmp_path):
    model = Student()
    model.distill_scale = 1.0
    with pytest.warns(FutureWarning, match=r'calls set_distill_scale\(scale\) now, which Student'):
        train(tmp_path, DistillScheduleHook(begin_epoch=1), model, max_epochs=2)
    assert model.seen == [0, 0, 1, 1]


def test_by_iterations_a_pass_over_the_data_is_an_epoch(tmp_path):
    hook = DistillScheduleHook(begin_epoch=1, end_epoch=2, fade_epochs=1)
    model, _ = train(tmp_path, hook, train_cfg=dict(by_epoch=False, max_iters=7))
    assert model.seen == [0, 0, 1, 1, 0.5, 0.5, 0]


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(begin_epoch=-1), 'must be at least 0, but got begin_epoch=-1'),
        (dict(fade_epochs=-1), 'but got begin_epoch=0, fade_epochs=-1'),
        (dict(fade_epochs=2), 'must be an epoch for fade_epochs=2 to follow, but got None'),
        (dict(begin_epoch=3, end_epoch=2), 'at least begin_epoch=3, but got end_epoch=2'),
    ],
)
def test_bad_epochs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DistillScheduleHook(**arguments)
