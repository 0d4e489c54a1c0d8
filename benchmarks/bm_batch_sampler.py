"""Time and worth of the batches that ``CrossSampleBatchSampler`` composes.

``python benchmarks/bm_batch_sampler.py``. Crops of furnished rooms and frames of drives in the
numbers of ScanNet (1,201 scans of 707 rooms, 20 classes) and nuScenes (28,130 frames of 68 logs,
16 classes), a class in 99 % to 1 % of the scenes and in 70 % of the scans of such a scene; drawn
with a fixed seed.
"""

import argparse
import time
from itertools import combinations

if __name__ == '__main__':  # --help and mistakes are told before the slow imports
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()

import numpy as np

from projects.SRKD.datasets.batches.batch_composition import (
    compose_batches,
    rarity,
    same_place,
    visibility,
)

WINDOW = 20.0


def scenes(n, n_scenes, n_classes, duration, seed=0):
    """Scene (n,), time (n,) and histogram (n, n_classes)."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(n_scenes, size=n)
    when = rng.random(n) * duration if duration else np.full(n, np.nan)
    present = rng.random((n_scenes, n_classes)) < np.geomspace(0.99, 0.01, n_classes)
    seen = present[scene] & (rng.random((n, n_classes)) < 0.7)
    return scene, when, seen * rng.integers(50, 20000, size=(n, n_classes))


def worth(batches, scene, when, held):
    """Share of cross-scene pairs; mean class overlap; share of classes, of the rarer half, that a
    second scan of the batch holds too, given that one does."""
    cross, overlap, shared = [], [], []
    rare = np.argsort(held.mean(axis=0))[: held.shape[1] // 2]
    for batch in batches:
        for i, j in combinations(batch, 2):
            cross.append(not same_place(scene[i], when[i], scene[j], when[j], WINDOW))
            overlap.append((held[i] & held[j]).sum() / max((held[i] | held[j]).sum(), 1))
        count = held[batch][:, rare].sum(axis=0)
        shared.extend(count[count > 0] > 1)
    return np.mean(cross), np.mean(overlap), np.mean(shared)


def main() -> None:
    """Print one line per case."""
    print(
        f'{"data":<10}{"B":>3}{"seconds":>9}   {"cross-scene":>18}{"class overlap":>18}'
        f'{"rare shared":>18}   (plain -> composed)'
    )
    for name, size in dict(scannet=(1201, 707, 20, 0), nuscenes=(28130, 68, 16, 1500)).items():
        scene, when, histogram = scenes(*size)
        visible = visibility(histogram)
        for batch_size in (2, 4, 8):
            rng = np.random.default_rng(0)
            start = time.perf_counter()
            batches, _ = compose_batches(
                scene, when, visible, rarity(visible), batch_size, WINDOW, 64, rng
            )
            seconds = time.perf_counter() - start
            order = rng.permutation(len(scene))
            plain = np.split(order, range(batch_size, len(order), batch_size))
            facts = zip(
                worth(plain, scene, when, histogram > 0), worth(batches, scene, when, histogram > 0)
            )
            print(
                f'{name:<10}{batch_size:>3}{seconds:>9.2f}   '
                + ''.join(f'{f"{before:.1%} -> {after:.1%}":>18}' for before, after in facts)
            )


if __name__ == '__main__':
    main()
