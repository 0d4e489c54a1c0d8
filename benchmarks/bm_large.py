"""What is large: a scan of 2,000,000 points, 100,000 scans, and 64 tiny clouds in one batch.

    python benchmarks/bm_large.py [--parts scans clouds points] [--scans 100000] [--points 2000000]

``scans``: a batch sampler and a draw of labeled scans from a finished histogram, and an epoch's
batches. ``points``: one scan through the training pipeline of the mini rooms, then one step of SRKD
on the mini pair. ``clouds``: a step of the same pair on clouds of 1 to 50 points. Peaks of memory
are resident ones above what was held before.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from arguments import options

PARTS = ('scans', 'clouds', 'points')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS, help='(default: all)')
    parser.add_argument('--scans', type=int, default=100_000, help='of the data set')
    parser.add_argument('--classes', type=int, nargs='+', default=[20, 200], help='of the data set')
    parser.add_argument('--points', type=int, default=2_000_000, help='of the large scan')
    parser.add_argument('--clouds', type=int, default=64, help='tiny ones in a batch')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import numpy as np
import torch
from bm_step import CONFIGS, build, prepared, update
from mmdet3d.registry import DATASETS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.registry import init_default_scope
from timing import begin, peak_mib, report_goal

from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.datasets.batches.cross_sample_batch_sampler import CrossSampleBatchSampler
from projects.SRKD.datasets.batches.scene_statistics import SceneStatistics
from projects.SRKD.datasets.few_labels.label_draw import draw_scans

ROOMS = 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
SIDE, VOXEL = 40.0, 0.2  # meters: a hall and the voxels that its two million points fall into
SECONDS, MIB = 5.0, 1024.0


def measured(what: str, call: Callable[[], object]) -> tuple[object, float, float]:
    """Run once, print and return result, seconds and peak MiB."""
    found, taken = [], []

    def timed() -> None:
        start = time.process_time()
        found.append(call())
        taken.append(time.process_time() - start)

    peak = peak_mib(timed)
    print(f'{what}: {taken[0]:.2f} s of one core, {peak:.0f} MiB', flush=True)
    return found[0], taken[0], peak


def scans(n: int, classes: int) -> None:
    """A sampler's start and epochs, a draw."""
    rng = np.random.default_rng(0)
    scene = np.array([f'scene{i // 2:06d}' for i in range(n)])
    counts = rng.integers(0, 20_000, (n, classes)) * (rng.random((n, classes)) < 0.3)
    counts[:, 0] += 1000
    counts[:, -1] = 0
    counts[n // 2, -1] = 150  # too few points of this class in all scans together
    known = SceneStatistics(scene, np.full(n, np.nan), counts, tuple(map(str, range(classes))))
    sampler = DefaultSampler(range(n), shuffle=True, seed=0)
    told = f'{n:,} scans, {classes} classes'
    batches, seconds, peak = measured(
        f'{told}: start of a batch sampler',
        lambda: CrossSampleBatchSampler(sampler, 4, statistics=known),
    )
    report_goal(f'{told}: start of a batch sampler', seconds, '<=', SECONDS, ' s')
    report_goal(f'{told}: its memory', peak, '<=', MIB, ' MiB')
    for group in (1, 2):
        batches.group_size = group
        what = f'{told}: batches of an epoch, in groups of {group}'
        _, seconds, _ = measured(what, lambda: list(batches))
        report_goal(what, seconds, '<=', SECONDS, ' s')
    what = f'{told}: draw of a tenth that keeps its labels'
    _, seconds, _ = measured(what, lambda: draw_scans(n // 10, n, 0, counts))
    report_goal(what, seconds, '<=', SECONDS, ' s')


def tiny_clouds(count: int) -> dict:
    """A batch of clouds of 1 to 50 points."""
    generator = torch.Generator().manual_seed(0)
    clouds, samples = [], []
    for i in range(count):
        size = 1 + i % 50
        cloud = torch.rand(size, 6, generator=generator) * torch.tensor([4.0, 4, 2, 1, 1, 1])
        label = torch.randint(0, 21, (size,), generator=generator)  # 20 is "no label"
        clouds.append(cloud)
        samples.append(Det3DDataSample(gt_pts_seg=PointData(pts_semantic_mask=label)))
    return dict(inputs=dict(points=clouds), data_samples=samples)


def large_scan(folder: Path, points: int) -> dict:
    """A hall of so many points as the training pipeline of the mini rooms gives it."""
    write_scannet(folder, 1, 1, 0, 1000, True)
    rng = np.random.default_rng(0)
    cloud = rng.random((points, 6), np.float32) * np.float32([SIDE, SIDE, 3, 255, 255, 255])
    wall = rng.integers(0, 3, points)  # the floor, or one of two walls
    for axis, number in ((2, 0), (0, 1), (1, 2)):
        cloud[wall == number, axis] = 0
    label = (wall == 0) + 1  # ScanNet's ids of wall and floor
    for path in (folder / 'points').glob('scene0000_00*'):
        cloud.tofile(path)
    for name in ('semantic_mask', 'instance_mask'):
        for path in (folder / name).glob('scene0000_00*'):
            label.astype(np.int64).tofile(path)
    dataset = Config.fromfile(CONFIGS / ROOMS).train_dataloader.dataset
    dataset.data_root = f'{folder}/'
    built = DATASETS.build(dataset)
    sample, _, _ = measured(f'{points:,} points: training pipeline', lambda: built[0])
    return pseudo_collate([sample])


def step(what: str, batch: dict, folder: Path) -> None:
    """Print a step of SRKD and check that all of it is finite."""
    model = build('mini', folder, 'cpu')
    for network in (model.student, model.teacher.network):
        network.data_preprocessor.voxel_size = (VOXEL,) * 3
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    (inputs, _), _, _ = measured(f'{what}: voxels', lambda: prepared(model, batch))
    print(f'{what}: {len(inputs["voxels"]["coors"]):,} voxels')

    def train() -> dict[str, float]:
        losses = model.loss(*prepared(model, batch))
        update(model, losses, optimizer)
        return {name: torch.as_tensor(value).item() for name, value in losses.items()}

    losses, _, peak = measured(f'{what}: step of SRKD', train)
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    wrong += [name for name, p in model.named_parameters() if not p.isfinite().all()]
    assert not wrong, wrong
    report_goal(f'{what}: memory of a step', peak, '<=', 4096, ' MiB')


def main() -> None:
    """Print all parts."""
    args = parse_args()
    begin(args)
    init_default_scope('mmdet3d')
    if 'scans' in args.parts:
        for classes in args.classes:
            scans(args.scans, classes)
    with tempfile.TemporaryDirectory() as name:
        if 'clouds' in args.parts:
            step(f'{args.clouds} tiny clouds', tiny_clouds(args.clouds), Path(name))
        if 'points' in args.parts:
            batch = large_scan(Path(name) / 'rooms', args.points)
            step(f'{args.points:,} points', batch, Path(name))


if __name__ == '__main__':
    main()
