"""Does a training hold more and more? Resident memory and tensors at a few of its steps.

    python benchmarks/bm_memory.py [--runs student srkd detector] [--marks 100 500 2000]

Each run is a process of its own and a whole training as ``tools/train.py`` starts it, on procedural
scenes so small that thousands of steps take minutes: the student alone; SRKD with every term, a
balance, an EMA and every hook that looks at a step; PointDistiller on
a detector. Clouds differ in size, as they do in all data.

``resident`` is what the system counts, ``heap`` what the C library's allocator has given away and
not got back. Resident memory that grows over a heap that does not is the allocator's, not the
run's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from arguments import options

RUNS = ('student', 'srkd', 'detector')
MARKS = (100, 500, 2000)
GOAL = 3.0  # percent


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument(
        '--runs', nargs='+', choices=RUNS, default=RUNS, help='of the trainings (default: all)'
    )
    parser.add_argument(
        '--marks', nargs='+', type=int, default=MARKS, help='steps to look at; growth is told from '
        'the last but one to the last (default: 100 500 2000)'
    )  # fmt: skip
    parser.add_argument('--scenes', type=int, default=24, help='of an epoch (default 24)')
    parser.add_argument('--inside', metavar='FOLDER', help='what the command itself calls')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import ctypes
import gc
import math

import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from timing import begin, report_goal, resident_mib

import projects.SRKD  # noqa: F401  registers everything
from projects.MiniScenes.rooms import write_scannet
from projects.MiniScenes.streets import write_kitti
from projects.SRKD.engine import launch

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SMALL = 0.3  # meters of a voxel: about two hundred in each room
CONFIG = dict(
    student='mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    srkd='mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    detector='mini/pointdistiller_pointpillars-mini_pointpillars-mini-4x_1xb4-20e_mini-kitti-3d.py',
)


@HOOKS.register_module(force=True)
class MemoryMarks(Hook):
    """Writes what the process holds at some steps.

    Args:
        marks: Steps, counted from 1.
        out: File to write a line of JSON to for each.
    """

    priority = 'VERY_LOW'

    def __init__(self, marks: Sequence[int], out: str) -> None:
        self.marks, self.out = tuple(marks), Path(out)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Look, if this is one of the steps."""
        if runner.iter + 1 in self.marks:
            gc.collect()
            found = dict(step=runner.iter + 1, tensors=tensors(), resident=resident_mib(),
                         heap=heap_mib())  # fmt: skip
            with self.out.open('a') as stream:
                stream.write(json.dumps(found) + '\n')


def tensors() -> int:
    """How many tensors Python objects hold."""
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


class _Mallinfo(ctypes.Structure):
    """What glibc's ``mallinfo2`` tells."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            'arena',
            'ordblks',
            'smblks',
            'hblks',
            'hblkhd',
            'usmblks',
            'fsmblks',
            'uordblks',
            'fordblks',
            'keepcost',
        )  # fmt: skip
    ]


def heap_mib() -> float:
    """MiB that ``malloc`` has given away; NaN where it is not glibc's (2.33 or later)."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return math.nan
    ask.restype = _Mallinfo
    told = ask()
    return (told.uordblks + told.hblkhd) / 2**20


def small_segmentor(model: ConfigDict, width: int) -> None:
    """Make voxels of a mini PTv3 large, its stages two and its layers narrow, in place."""
    model.data_preprocessor.update(voxel_size=SMALL)
    model.backbone.update(
        stride=(2,), enc_depths=(1, 1), enc_channels=(width, 2 * width), enc_num_head=(2, 4),
        enc_patch_size=(64, 64), dec_depths=(1,), dec_channels=(width,), dec_num_head=(2,),
        dec_patch_size=(64,),
    )  # fmt: skip
    model.decode_head.update(channels=width)


def small_detector(model: ConfigDict) -> None:
    """Give a mini PointPillars a sixteenth of its pillars, in place."""
    pillar = [0.8, 0.8, 4]
    model.data_preprocessor.voxel_layer.update(voxel_size=pillar)
    model.voxel_encoder.update(voxel_size=pillar)
    model.middle_encoder.update(output_shape=[48, 48])


def write_data(name: str, folder: Path, scenes: int) -> None:
    """Write the scenes of a run."""
    if name == 'detector':
        write_kitti(folder, scenes, 4, 0, 16, 240, True)
    else:
        write_scannet(folder, scenes, 4, 0, 1500, True)


def config_of(name: str, folder: Path, steps: int, marks: Sequence[int], scenes: int) -> Config:
    """The run's config: a mini training, made small and given every hook."""
    config = Config.fromfile(CONFIGS / CONFIG[name])
    per_epoch = scenes // config.train_dataloader.batch_size
    epochs = -(-steps // per_epoch)
    config.train_cfg.update(max_epochs=epochs, val_interval=epochs + 1)
    for scheduler in config.param_scheduler:
        scheduler.update(begin=0, end=epochs)
    config.work_dir = str(folder / 'work_dir')
    config.log_level = 'WARNING'
    config.default_hooks.checkpoint.update(interval=max(1, 100 // per_epoch))
    marks_hook = dict(type='MemoryMarks', marks=list(marks), out=str(folder / 'marks.jsonl'))
    config.custom_hooks = [*config.get('custom_hooks', []), marks_hook]
    if name == 'student':
        small_segmentor(config.model, 16)
        return config
    teacher = Config.fromfile(config.model.teacher.config).model
    if name == 'srkd':
        small_segmentor(config.model.student, 16)
        small_segmentor(teacher, 32)
        config.model.balance = 'first_steps'
        config.custom_hooks += [dict(type='EMAHook'), dict(type='DistillScheduleHook')]
        config.default_hooks.gradients = dict(type='GradientLogHook', interval=10)
    else:
        small_detector(config.model.student.detector)
        small_detector(teacher)
        config.model.terms.local_graph.loss.update(num_anchors=200, num_neighbors=8)
    checkpoint = folder / 'teacher.pth'
    torch.manual_seed(0)
    torch.save(MODELS.build(ConfigDict(teacher.to_dict())).state_dict(), checkpoint)
    config.model.teacher.update(config=teacher, checkpoint=str(checkpoint))
    return config


def train(name: str, folder: Path, args: argparse.Namespace) -> None:
    """What the process of a run does."""
    torch.set_num_threads(args.threads or torch.get_num_threads())
    init_default_scope('mmdet3d')
    write_data(name, folder, args.scenes)
    config = config_of(name, folder, max(args.marks), args.marks, args.scenes)
    path = folder / 'config.py'
    path.write_text(config.pretty_text.replace(config.data_root, f'{folder}/'))
    launch.train(path, work_dir=config.work_dir)


def watch(name: str, args: argparse.Namespace) -> list[Mapping]:
    """Train in a process of its own; returns what it held at each mark.

    Raises:
        RuntimeError: If it did not come so far.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ['--runs', name, '--marks', *map(str, args.marks), '--scenes', str(args.scenes)]
        words += ['--threads', str(args.threads), '--inside', folder]
        done = subprocess.run(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            raise RuntimeError(f'{name} ended with {done.returncode}: {done.stdout.decode()}')
        return [json.loads(line) for line in (Path(folder) / 'marks.jsonl').open()]


def report(name: str, found: Sequence[Mapping]) -> None:
    """Print a line per mark, and how much came from the last but one to the last."""
    for mark in found:
        print(f'{name:>9}{mark["step"]:>8,}{mark["tensors"]:>9,}{mark["resident"]:>14.1f}'
              f'{mark["heap"]:>10.1f}', flush=True)  # fmt: skip
    before, after = found[-2:]
    steps = f'{name}, steps {before["step"]:,} to {after["step"]:,}'
    grown = 100 * (after['resident'] / before['resident'] - 1)
    report_goal(f'{steps}: growth of resident memory', grown, '<=', GOAL, ' %')
    grown = 100 * (after['tensors'] / before['tensors'] - 1)
    report_goal(f'{steps}: growth of the number of tensors', grown, '<=', GOAL, ' %')


def main() -> None:
    """Print the table of every run."""
    args = parse_args()
    if args.inside:
        train(args.runs[0], Path(args.inside), args)
        return
    begin(args)
    print(f'{"run":>9}{"step":>8}{"tensors":>9}{"resident MiB":>14}{"heap MiB":>10}')
    for name in args.runs:
        report(name, watch(name, args))


if __name__ == '__main__':
    main()
