"""Does the loader keep up? Scenes per second of one worker beside what a training step consumes.

    python benchmarks/bm_data.py [--recipes rooms streets scannet] [--scenes 8]

Procedural scenes are written to a temporary folder and read through each config's own training
pipeline; the consumer is the student alone (with a teacher a step takes longer), voxelization
included. Then where a scene's time goes, transform by transform, nested ones apart.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from arguments import options

NAMES = ('rooms', 'streets', 'scannet')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__, repeats=1)
    parser.add_argument(
        '--recipes', nargs='+', choices=NAMES, default=NAMES, help='configs to time (default: all)'
    )
    parser.add_argument('--scenes', type=int, default=8, help='scans to load (default 8)')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import numpy as np
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from timing import begin, in_turn, report_goal
from torch import nn

import projects.SRKD  # noqa: F401  registers everything
from projects.MiniScenes.rooms import write_scannet
from projects.MiniScenes.streets import write_nuscenes

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
GOAL = 2.0
TOP = 5


class Recipe(NamedTuple):
    """A config and the scenes it is timed on."""

    config: str
    write: Callable[[Path, int], None]
    batch_size: int


def write_rooms(points: int) -> Callable[[Path, int], None]:
    """Write rooms of about so many points each."""
    return lambda folder, count: write_scannet(folder, count, 5, 0, points, True)


def write_streets(folder: Path, count: int) -> None:
    """Write scans of 32 beams, as many as the mini studies train with."""
    write_nuscenes(folder, count, 1, 1, 0, 32, 360, 2.0, True)


RECIPES = dict(
    rooms=Recipe('mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py', write_rooms(12_000), 4),
    streets=Recipe('mini/ptv3-mini-s_1xb4-15e_mini-nuscenes-lidarseg.py', write_streets, 4),
    # The recipe whole: two scans are mixed. One sample, and scans of a third of ScanNet's points,
    # since a step takes long on a CPU; both sides of the ratio grow with the points.
    scannet=Recipe('srkd/ptv3-half_4xb2-800e_scannet-seg.py', write_rooms(50_000), 1),
)


class Clock:
    """Adds up what transforms take, without what transforms inside them take."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner = [0.0]  # time of finished inner transforms, per open one

    def wrap(self, transform: Callable) -> Callable:
        """Return the transform with its time taken, inner pipelines included."""
        name = type(transform).__name__
        for value in vars(transform).values():
            if hasattr(value, 'transforms'):
                value.transforms = [self.wrap(inner) for inner in value.transforms]

        def timed(results: Any) -> Any:
            start = time.perf_counter()
            self._inner.append(0.0)
            try:
                return transform(results)
            finally:
                taken = time.perf_counter() - start
                self.seconds[name] += taken - self._inner.pop()
                self._inner[-1] += taken

        return timed


def build(recipe: Recipe, folder: Path, count: int) -> tuple[Any, nn.Module]:
    """The training data set of a recipe and the student it feeds."""
    init_default_scope('mmdet3d')
    config = Config.fromfile(CONFIGS / recipe.config)
    recipe.write(folder, count)
    dataset = copy.deepcopy(config.train_dataloader.dataset)
    dataset.data_root = f'{folder}/'
    if 'scene_idxs' in dataset:
        dataset.scene_idxs = list(range(count))
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config.model.to_dict())).train()
    return DATASETS.build(dataset), model


def measure(name: str, args: argparse.Namespace) -> None:
    """Print one recipe's rates, its goal and its slowest transforms."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = RECIPES[name]
        dataset, model = build(recipe, Path(folder) / 'data', args.scenes)
        batch_size = recipe.batch_size
        np.random.seed(0)
        dataset[0]  # files and caches
        numbers = [i % len(dataset) for i in range(max(args.scenes, batch_size))]

        def load() -> list:
            return [dataset[i] for i in numbers]

        scenes = load()
        batch = pseudo_collate(scenes[:batch_size])
        model.to(args.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def prepare() -> dict:
            return model.data_preprocessor(copy.deepcopy(batch), True)

        def step() -> None:
            losses, _ = model.parse_losses(model(**prepare(), mode='loss'))
            optimizer.zero_grad()
            losses.backward()
            optimizer.step()

        calls = dict(load=load, collate=lambda: pseudo_collate(scenes[:batch_size]),
                     step=step, voxels=prepare)  # fmt: skip
        seconds = in_turn(calls, args.repeats, args.device)
        clock = Clock()
        dataset.pipeline.transforms = [clock.wrap(part) for part in dataset.pipeline.transforms]
        load()
    loaded = len(numbers) / (seconds['load'] + seconds['collate'] * len(numbers) / batch_size)
    consumed = batch_size / seconds['step']
    points = np.mean([len(scene['inputs']['points']) for scene in scenes])
    print(f'{name}: {points:,.0f} points per scene, batches of {batch_size}; loader {loaded:.2f} '
          f'scenes/s, step {consumed:.2f} scenes/s, of which voxelization takes '
          f'{seconds["voxels"] / seconds["step"]:.1%}')  # fmt: skip
    report_goal(f'{name}: loader (one worker) / training step', loaded / consumed, '>=', GOAL)
    total = sum(clock.seconds.values())
    for transform, taken in clock.seconds.most_common(TOP):
        per_scene = 1e3 * taken / len(numbers)
        print(f'{transform:>26} {per_scene:8.2f} ms/scene {taken / total:7.1%}')


def main() -> None:
    """Print one block per recipe."""
    args = parse_args()
    begin(args)
    for name in args.recipes:
        measure(name, args)


if __name__ == '__main__':
    main()
