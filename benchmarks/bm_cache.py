"""What a step of SRKD costs when the teacher is read from disk, beside the student's own step.

    python benchmarks/bm_cache.py [--pairs mini half] [--clouds 8] [--device cuda]

Procedural rooms and a teacher with random weights: the cache is written as
``tools/cache_teacher.py`` does, then batches come through the config's own training pipeline. Pairs
are those of ``bm_step.py``; all terms are on.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from arguments import options

POINTS = 12_000  # of a room: about 5,000 voxels


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__, repeats=5)
    parser.add_argument(
        '--pairs', nargs='+', choices=('mini', 'half_base', 'half'), default=['mini'],
        help='of student and teacher, those of bm_step.py',
    )  # fmt: skip
    parser.add_argument('--clouds', type=int, default=8, help='of a batch (default 8)')
    parser.add_argument('--points', type=int, default=POINTS, help='of a room, about')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from bm_step import CONFIGS, PAIRS, VOXEL_SIZE, prepared, random_teacher, update
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from timing import begin, in_turn, peak_mib, report_goal
from torch import nn

import projects.SRKD  # noqa: F401  registers everything
from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.distill.cache_writing.writer import CacheWriter, write_cache

CACHED = 'mini/srkd-cached_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
GOAL = 1.25


def cached_config(pair: str, folder: Path) -> Config:
    """A distillation run of a pair whose teacher reads ``folder/cache`` and scans ``folder``."""
    config = Config.fromfile(CONFIGS / CACHED)
    student, teacher = (Config.fromfile(CONFIGS / path).model for path in PAIRS[pair])
    for network in (student, teacher):
        network.data_preprocessor.update(voxel_size=VOXEL_SIZE, max_voxels=None)
    student.data_preprocessor.identity_columns = True
    checkpoint = random_teacher(pair, teacher, folder)
    cache = str(folder / 'cache' / pair)
    config.model.student = student
    config.model.teacher = dict(config=teacher, checkpoint=checkpoint, cache=cache)
    for split in ('train', 'test'):
        config[f'{split}_dataloader'].dataset.data_root = f'{folder}/'
    return config


def measure(pair: str, folder: Path, args: argparse.Namespace) -> None:
    """Write the cache of one pair, print its table and its goal."""
    config = cached_config(pair, folder)
    writer = CacheWriter(config, device=args.device)
    write_cache(writer)
    size = sum(path.stat().st_size for path in writer.cache.folder.rglob('*.npy'))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    torch.manual_seed(0)
    batch = pseudo_collate([dataset[i] for i in range(args.clouds)])

    cached = MODELS.build(config.model).to(args.device).train()
    config.model.teacher.pop('cache')
    live = MODELS.build(config.model).to(args.device).train()

    def step(model: nn.Module, of: Callable[[dict, list], dict]) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        return lambda: update(model, of(*prepared(model, batch)), optimizer)

    calls = dict(
        student=step(live, functools.partial(live.student, mode='loss')),
        cached=step(cached, cached.loss),
        live=step(live, live.loss),
    )
    seconds = in_turn(calls, args.repeats, args.device)
    points = sum(map(len, batch['inputs']['points']))
    print(f'{pair}: {args.clouds} rooms of {points // args.clouds:,} points; cache {size:,} bytes, '
          f'{size / args.clouds / 1000:.0f} kB per room')  # fmt: skip
    print(f'{"step":>8} {"ms":>9} {"of student":>10} {"peak MiB":>9}')
    for name, call in calls.items():
        taken = seconds[name]
        print(f'{name:>8} {1e3 * taken:9.1f} {taken / seconds["student"]:10.2f} '
              f'{peak_mib(call, args.device):9.0f}', flush=True)  # fmt: skip
    ratio = seconds['cached'] / seconds['student']
    what = f'{pair} pair, {args.clouds} rooms: SRKD step with cached teacher / student step'
    report_goal(what, ratio, '<=', GOAL)


def main() -> None:
    """Print one table per pair."""
    args = parse_args()
    begin(args)
    init_default_scope('mmdet3d')
    with tempfile.TemporaryDirectory() as name:
        write_scannet(Path(name), args.clouds, 1, 0, args.points, True)
        for pair in args.pairs:
            measure(pair, Path(name), args)


if __name__ == '__main__':
    main()
