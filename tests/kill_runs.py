"""Small whole trainings for kills.py: what is run, what is left at the end, and what is compared.

Three runs hold between them what a resume must bring back: teacher, connectors, averaged weights,
accumulated gradients, schedules, workers, our batch samplers, both loops, the best checkpoint.
"""

import json
import logging
import multiprocessing
import os
from pathlib import Path

import mmengine.config.config
import torch
from mmengine.config import Config
from toy import minkunet, save_checkpoint, write_scannet
from toy_training import NUM_CLASSES, distill_config

from projects.SRKD.compat.mmengine_loading import load_from_local as load
from projects.SRKD.engine import launch

SCANS, VAL_SCANS, POINTS = 6, 3, 120
EPOCHS = 3
_UNTOLD = ('time', 'memory')  # of a log: other in each run


def epochs(config: Config) -> None:
    """By epochs; gradients of two steps, an average, workers that live on."""
    config.optim_wrapper.accumulative_counts = 2
    config.default_hooks.ema = dict(type='EMAHook', momentum=0.1, update_buffers=True)
    config.default_hooks.gradients = dict(type='GradientLogHook', interval=2)
    config.train_dataloader.update(
        batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=False),
        drop_last=False,
        persistent_workers=True,
    )


def mid_epoch(config: Config) -> None:
    """By epochs of three steps with a checkpoint at every other one."""
    config.optim_wrapper.accumulative_counts = 3
    config.default_hooks.checkpoint.update(by_epoch=False, interval=2)
    config.default_hooks.reestimate = dict(type='ReestimateBatchNormHook')
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=4),
        dict(type='ReduceOnPlateauLR', monitor='miou', rule='greater', patience=0, factor=0.5),
    ]
    config.train_cfg.val_interval = 1
    config.val_dataloader.num_workers = 1


def iterations(config: Config) -> None:
    """By iterations, from an endless sampler, in one process."""
    config.train_cfg = dict(by_epoch=False, max_iters=3 * EPOCHS, val_interval=4)
    config.log_processor.by_epoch = False
    config.default_hooks.checkpoint.update(by_epoch=False, interval=4)
    config.default_hooks.ema = dict(type='EMAHook', momentum=0.1)
    config.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
    dataset = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(type='PartialLabels', dataset=dataset, labeled=3)
    config.train_dataloader.update(
        sampler=dict(type='InfiniteSampler', shuffle=True),
        batch_sampler=dict(type='LabeledBatchSampler', drop_last=True),
        drop_last=False,
        num_workers=0,
    )


RUNS = dict(epochs=epochs, mid_epoch=mid_epoch, iterations=iterations)


def quicken() -> None:
    """Leave out, or do before there are forks, what takes them most time and is not looked at."""
    mmengine.config.config.FormatCode = lambda text, **options: (text, True)  # at each checkpoint
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # imports much with the first optimizer
    logging.getLogger('mmengine').setLevel(logging.ERROR)


def prepare(root: Path, names=tuple(RUNS)) -> None:
    """Write a teacher, and for each run its data and its config."""
    quicken()
    teacher = minkunet(8, num_classes=NUM_CLASSES)
    teacher = dict(config=teacher, checkpoint=save_checkpoint(teacher, root / 'teacher.pth'))
    for name in names:
        data = write_scannet(root / name / 'data', SCANS, VAL_SCANS, POINTS)
        student = minkunet(4, num_classes=NUM_CLASSES)
        config = distill_config(data, root / name / 'unused', teacher, student, EPOCHS)
        config.train_cfg.val_interval = 2
        config.default_hooks.checkpoint.update(max_keep_ckpts=1, save_best='miou')
        config.pop('experiment_name')
        config.log_processor.window_size = 4  # averages reach across a resume
        RUNS[name](config)
        config.dump(root / name / 'run.py')


def train(config: Path, work_dir: Path, arm=None) -> None:
    """What ``tools/train.py --resume`` does, in a process that is to be killed.

    Args:
        config: A file of :func:`prepare`.
        work_dir: Of this run alone.
        arm: Called with the runner before the training, or with None before all.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        os.dup2(os.open(work_dir / 'output', os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.setpgid(0, 0)  # so that workers that are left can be ended with it
    torch.set_num_threads(1)
    if arm is not None:
        arm(None)
        register = launch.register_resuming

        def armed(runner, listening):
            register(runner, listening)
            arm(runner)

        launch.register_resuming = armed
    options = dict(experiment_name=f'{work_dir.name}_{os.getpid()}')
    launch.train(str(config), resume='auto', work_dir=str(work_dir), cfg_options=options)


def started(config: Path, work_dir: Path, arm=None) -> multiprocessing.Process:
    """A fork, which has imported everything, that trains."""
    context = multiprocessing.get_context('fork')
    process = context.Process(target=train, args=(config, work_dir, arm))
    process.start()
    return process


def outcome(work_dir: Path) -> dict:
    """All that must be equal at the end: files, their values, and what was logged of each step."""
    last = load((work_dir / 'last_checkpoint').read_text())
    found = {f'file {path.name}': '' for path in work_dir.glob('*.pth')}
    found |= {f'left {path.name}': '' for path in work_dir.glob('.*.part')}
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'distill'):
        found |= _flat(last.get(key), key)
    found['meta'] = str((last['meta']['epoch'], last['meta']['iter']))
    info = last['message_hub']['runtime_info']
    found |= _flat({name: info.get(name) for name in ('best_score', 'keep_ckpt_ids')}, 'info')
    for best in work_dir.glob('best_*.pth'):
        found |= _flat(load(str(best))['state_dict'], best.name)
    return found | _logged(work_dir)


def _flat(value, name: str) -> dict[str, str]:
    if isinstance(value, torch.Tensor):
        return {name: f'{tuple(value.shape)} {value.detach().contiguous().numpy().tobytes().hex()}'}
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    else:
        return {name: repr(value)}
    return {k: v for key, part in parts for k, v in _flat(part, f'{name}/{key}').items()}


def _logged(work_dir: Path) -> dict[str, str]:
    """Rows by their step; of a step that was taken twice both, if they differ."""
    rows: dict[str, set] = {}
    for log in work_dir.glob('*/vis_data/scalars.json'):
        for line in log.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line at which a process was killed
            kind = 'validation' if 'miou' in row else 'step'
            kept = {k: v for k, v in row.items() if not any(word in k for word in _UNTOLD)}
            rows.setdefault(f'{kind} {row["step"]}', set()).add(json.dumps(kept, sort_keys=True))
    return {place: ' | '.join(sorted(values)) for place, values in rows.items()}


def differences(one: dict, other: dict) -> list[str]:
    """Names of what differs."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
