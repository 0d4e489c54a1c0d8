"""The smallest run: a line fitted through four points, for tests of tools and launching."""

import os
import signal

import torch
from mmdet3d.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

CONFIG = """
default_scope = 'mmdet3d'
custom_imports = dict(imports=['projects.SRKD', 'toy_run'], allow_failed_imports=False)
model = dict(type='ToyLine')
data = dict(type='ToyPoints', data_root={data_root!r})
loader = dict(batch_size=2, num_workers=0, dataset=data, collate_fn=dict(type='default_collate'))
train_dataloader = dict(**loader, sampler=dict(type='DefaultSampler', shuffle=True))
test_dataloader = dict(**loader, sampler=dict(type='DefaultSampler', shuffle=False))
val_dataloader = test_dataloader
val_evaluator = dict(type='ToyError')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=4)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
randomness = dict(seed=0)
"""


def write_config(folder, **changes):
    """Write the config of the toy run, its data below ``folder``; returns its path."""
    (folder / 'data').mkdir(exist_ok=True)
    text = CONFIG.format(data_root=str(folder / 'data'))
    path = folder / 'toy.py'
    path.write_text(text + '\n'.join(f'{key} = {value!r}' for key, value in changes.items()) + '\n')
    return path


@DATASETS.register_module()
class ToyPoints(Dataset):
    METAINFO = {}
    metainfo = {}

    def __init__(self, data_root, test_mode=False):
        self.x = torch.arange(4.0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return dict(inputs=self.x[index, None], data_samples=3 * self.x[index, None] + 1)


@MODELS.register_module()
class ToyLine(BaseModel):
    def __init__(self, data_preprocessor=None, bias=True):
        super().__init__(data_preprocessor)
        self.line = nn.Linear(1, 1, bias=bias)
        nn.init.zeros_(self.line.weight)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.line(inputs)
        if mode == 'loss':
            return dict(
                loss=(out.float() - data_samples).square().mean(),
                bits=torch.tensor(8.0 * out.element_size()),
                processes=torch.tensor(float(get_world_size())),
            )
        return list(zip(out, data_samples)) if mode == 'predict' else out


@METRICS.register_module()
class ToyError(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [float((out - truth).abs()) for out, truth in data_samples]

    def compute_metrics(self, results):
        return dict(error=sum(results) / len(results), seen=float(len(results)))


@HOOKS.register_module()
class ToySignal(Hook):
    """Sends a signal to its own process at the n-th time that a rank passes a point of its run."""

    def __init__(self, point, nth=1, signal='SIGTERM', rank=0):
        self.left, self.signal, self.rank = nth, signal, rank
        setattr(self, point, self._pass)

    def _pass(self, runner, **arguments):
        self.left -= 1
        if self.left == 0 and get_rank() == self.rank:
            os.kill(os.getpid(), getattr(signal, self.signal))
