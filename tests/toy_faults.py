"""Short runs that are poisoned in one step, and the bits of that step without a guard."""

import copy
import uuid

import torch
from mmdet3d.registry import DATASETS, MODELS, OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset
from toy_detectors import scenes

from projects.SRKD.compat.mmengine_amp import BFloat16OptimWrapper
from projects.SRKD.engine.finite_step.hook import FiniteStepHook, NonFiniteLossError
from projects.SRKD.engine.finite_step.watched_steps import watch, wrappers_in

STEP = 3  # the one that goes wrong, counted from 1
NAN = float('nan')


class Poison(Hook):
    """Calls ``act(runner, batch)`` before one step."""

    def __init__(self, act):
        self.act = act

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == STEP:
            self.act(runner, data_batch)


class Bits(Hook):
    """Notes down loss and gradients of one step as they come, and lets the run go on."""

    priority = 'LOWEST'

    def before_train(self, runner):
        self.runner = runner
        for wrapper in wrappers_in(runner.optim_wrapper).values():
            watch(wrapper, self)

    def begin(self, wrapper):
        pass

    before_clip = after_step = begin

    def before_backward(self, wrapper, loss):
        if self.runner.iter + 1 == STEP:
            self.loss = loss.detach().clone()

    def after_backward(self, wrapper):
        if self.runner.iter + 1 == STEP:
            model = self.runner.model
            self.gradients = {n: p.grad.clone() for n, p in model.named_parameters()
                              if p.grad is not None}  # fmt: skip


def guarded(config, act):
    """Train until the guard ends it; returns the error and the runner."""
    runner = Runner.from_cfg(copy.deepcopy(config))
    runner.register_hook(Poison(act))
    runner.register_hook(FiniteStepHook())
    try:
        runner.train()
    except NonFiniteLossError as error:
        return str(error), runner
    raise AssertionError('nothing ended the run')


def unguarded(config, act):
    """The same run without a guard: the bits of its poisoned step."""
    config = copy.deepcopy(config)
    config.experiment_name += '-bits'
    config.work_dir += '-bits'
    runner = Runner.from_cfg(config)
    runner.register_hook(Poison(act))
    runner.register_hook(bits := Bits())
    runner.train()
    return bits


def same_bits(one, other):
    """Whether two tensors agree in every bit, NaN included; a view as integers tells."""
    kind = {8: torch.int64, 4: torch.int32, 2: torch.int16}[one.element_size()]
    return one.shape == other.shape and torch.equal(one.view(kind), other.view(kind))


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOptimWrapper(BFloat16OptimWrapper):
    """With a gradient scaler, as on a GPU."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', growth_interval=1000)


@MODELS.register_module(force=True)
class RootLoss(nn.Module):
    """Value 0, slope infinite from the moment it is wrong: the root of zero."""

    wrong = False

    def __init__(self, loss_weight=1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student):
        value = (student - student.detach()).clamp(min=0).sum()
        return value.sqrt() if self.wrong else value


@MODELS.register_module(force=True)
class MeanOfNoneLoss(nn.Module):
    """A mean over the rows of a class that no scan has."""

    def __init__(self, loss_weight=1.0):
        super().__init__()
        self.loss_weight = loss_weight
        self.wrong = False

    def forward(self, student, label):
        chosen = student[label == 999] if self.wrong else student
        return chosen.square().sum() / chosen.numel()


@DATASETS.register_module(force=True)
class ToyFrames(Dataset):
    """Clouds with boxes of two classes."""

    def __init__(self, code_size=7):
        scans = scenes((300, 200, 250, 220, 280, 310), code_size=code_size)
        self.frames = [*zip(scans['inputs']['points'], scans['data_samples'])]

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        points, sample = self.frames[index]
        return dict(inputs=dict(points=points.clone()), data_samples=copy.deepcopy(sample))


def detector_config(work_dir, model, code_size=7):
    """A short run of a detector."""
    return Config(
        dict(
            model=model,
            work_dir=str(work_dir),
            train_dataloader=dict(
                dataset=dict(type='ToyFrames', code_size=code_size),
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
            ),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            default_hooks=dict(reseed=dict(type='ReseedHook')),
            default_scope='mmdet3d',
            randomness=dict(seed=3),
            log_level='WARNING',
            experiment_name=f'{work_dir.name}-{uuid.uuid4().hex}',
        )
    )
