"""What AMBRA's terms see of a real scan: rows of a drawn super-voxel, share of the scan per step.

    python tools/analysis_tools/super_voxel_share.py --nuscenes FOLDER --semantickitti FOLDER

Folders hold ``*.bin`` scans. A row is a voxel of 5 cm, as the configs of streets train on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CUBES = dict(type='CubePartition')
CYLINDERS = dict(type='CylinderPartition')
ROWS = 512  # per super-voxel, as PointAffinityLoss keeps


def rows_of(path: Path, columns: int, voxel_size: float = 0.05) -> Tensor:
    """Read the distinct voxels of a scan, (N, 3) in meters."""
    import numpy as np  # after parsing: --help is quick
    import torch

    points = np.fromfile(path, np.float32).reshape(-1, columns)[:, :3]
    return torch.from_numpy(np.unique(np.floor(points / voxel_size), axis=0) * voxel_size)


def main() -> None:
    """Print one line per data set, partition, K and least number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--nuscenes', type=Path, help='folder of its scans')
    parser.add_argument('--semantickitti', type=Path, help='folder of its scans')
    parser.add_argument('--draws', type=int, default=50, help='steps per scan (default 50)')
    parser.add_argument(
        '--super-voxels', type=int, nargs='+', default=[4, 8, 16, 24, 32], help='drawn per step'
    )
    args = parser.parse_args()
    import torch

    from projects.SRKD.losses.srkd.partitions import build_partition

    print('| data | partition | K | min_rows | median rows of one drawn | share of the scan |')
    print('|---|---|---|---|---|---|')
    for name, columns in (('nuscenes', 5), ('semantickitti', 4)):
        folder = getattr(args, name)
        if folder is None:
            continue
        scans = [rows_of(path, columns) for path in sorted(folder.rglob('*.bin'))]
        for partition, least, k in [(CUBES, 1, 4), (CYLINDERS, 1, 4)] + [
            (CYLINDERS, 32, k) for k in args.super_voxels
        ]:
            torch.manual_seed(0)
            held, share = measure(scans, partition, k, least, args.draws)
            kind = type(build_partition(partition)).__name__
            print(f'| {name} | {kind} | {k} | {least} | {held:.0f} | {100 * share:.1f} % |')


def measure(
    scans: list[Tensor], partition: dict, k: int, min_rows: int, draws: int
) -> tuple[float, float]:
    """Return the median rows of a drawn super-voxel and the mean share of a scan that is seen."""
    import torch

    from projects.SRKD.losses.srkd.super_voxels import SuperVoxelSampler
    from projects.SRKD.ops import draw_rows

    sampler = SuperVoxelSampler(partition, k, min_rows=min_rows)
    held, shares = [], []
    for coord in scans:
        batch = torch.zeros(len(coord), dtype=torch.int64)
        for _ in range(draws):
            group, _ = sampler(coord, batch)
            held.append(torch.bincount(group[group >= 0]))
            shares.append(len(draw_rows(group, ROWS)) / len(coord))
    return float(torch.cat(held).double().median()), sum(shares) / len(shares)


if __name__ == '__main__':
    main()
