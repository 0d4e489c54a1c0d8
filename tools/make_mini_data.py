"""Write procedural data: ``python tools/make_mini_data.py scannet --out data/mini_scannet``.

Rooms in ScanNet's layout, drawn from a seed, for machines without data. They stand for no public
benchmark.
"""

import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write procedural data sets')
    layouts = parser.add_subparsers(dest='layout', required=True)
    rooms = layouts.add_parser('scannet', help='rooms of 20 classes for semantic segmentation')
    rooms.add_argument('--out', type=Path, required=True, help='folder to make')
    rooms.add_argument('--scenes', type=int, default=60, help='training scans (default 60)')
    rooms.add_argument(
        '--val-scenes', type=int, help='validation scans (default a third, at least 5)'
    )
    rooms.add_argument('--seed', type=int, default=0, help='equal seeds give equal bytes')
    rooms.add_argument('--points-per-scene', type=int, default=12_000, help='about (default 12000)')
    rooms.add_argument('--force', action='store_true', help='replace what --out holds')
    return parser.parse_args()


def main() -> None:
    """Write the data set the command line describes."""
    args = parse_args()
    from projects.SRKD.datasets.mini import write_scannet  # after parsing: --help is quick

    val_scenes = max(5, args.scenes // 3) if args.val_scenes is None else args.val_scenes
    try:
        out = write_scannet(
            args.out, args.scenes, val_scenes, args.seed, args.points_per_scene, args.force
        )
    except (FileExistsError, ValueError) as error:
        sys.exit(f'make_mini_data.py: {error}')
    print(f'{args.scenes} + {val_scenes} scans in {out}')


if __name__ == '__main__':
    main()
