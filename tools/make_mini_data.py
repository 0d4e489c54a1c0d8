"""Write procedural data: ``python tools/make_mini_data.py scannet --out data/mini_scannet``.

Rooms in ScanNet's layout and streets in KITTI's, SemanticKITTI's and nuScenes', drawn from a seed,
for machines without data. They stand for no public benchmark.
"""

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write procedural data sets')
    layouts = parser.add_subparsers(dest='layout', required=True)
    rooms = layouts.add_parser('scannet', help='rooms of 20 classes for semantic segmentation')
    rooms.add_argument('--scenes', type=int, default=60, help='training scans (default 60)')
    rooms.add_argument(
        '--val-scenes', type=int, help='validation scans (default a third, at least 5)'
    )
    rooms.add_argument('--points-per-scene', type=int, default=12_000, help='about (default 12000)')
    objects = layouts.add_parser('kitti', help='streets with boxes of 3 classes and more')
    objects.add_argument('--frames', type=int, default=120, help='for training (default 120)')
    objects.add_argument('--val-frames', type=int, default=72, help='(default 72)')
    objects.add_argument('--beams', type=int, default=48, help='default 48, of 64')
    objects.add_argument('--azimuth-steps', type=int, default=720, help='of a turn (default 720)')
    kitti = layouts.add_parser('semantickitti', help='streets of 19 classes, 64 beams')
    _street_arguments(kitti, 'sequences', beams=64, steps=2083, period=0.1)
    nuscenes = layouts.add_parser('nuscenes', help='streets of 16 classes, 32 beams, key frames')
    _street_arguments(nuscenes, 'scenes', beams=32, steps=1085, period=0.5)
    tables = layouts.add_parser('nuscenes-detection', help='streets with tracked boxes, 10 classes')
    _street_arguments(tables, 'scenes', beams=32, steps=1085, period=0.5, count=8)
    for layout in (rooms, objects, kitti, nuscenes, tables):
        layout.add_argument('--out', type=Path, required=True, help='folder to make')
        layout.add_argument('--seed', type=int, default=0, help='equal seeds give equal bytes')
        layout.add_argument('--force', action='store_true', help='replace what --out holds')
    return parser.parse_args()


def _street_arguments(parser, unit: str, beams: int, steps: int, period: float,
                      count: int = 6) -> None:  # fmt: skip
    parser.add_argument(f'--{unit}', dest='count', metavar='N', type=int, default=count,
                        help=f'training {unit} (default {count})')  # fmt: skip
    parser.add_argument(f'--val-{unit}', dest='val_count', metavar='N', type=int,
                        help=f'validation {unit} (default a third, at least 1)')  # fmt: skip
    parser.add_argument('--scans', type=int, default=10, help=f'of each of the {unit} (default 10)')
    parser.add_argument('--beams', type=int, default=beams, help=f'default {beams}')
    parser.add_argument('--azimuth-steps', type=int, default=steps, help=f'default {steps}')
    parser.add_argument('--period', type=float, default=period,
                        help=f'seconds from one scan to the next (default {period})')  # fmt: skip


def write_rooms(args: argparse.Namespace) -> str:
    """Write rooms; returns what to say."""
    from projects.MiniScenes.rooms import write_scannet  # after parsing: --help is quick

    val_scenes = max(5, args.scenes // 3) if args.val_scenes is None else args.val_scenes
    out = write_scannet(
        args.out, args.scenes, val_scenes, args.seed, args.points_per_scene, args.force
    )
    return f'{args.scenes} + {val_scenes} scans in {out}'


def write_boxes(args: argparse.Namespace) -> str:
    """Write streets with boxes; returns what to say."""
    from projects.MiniScenes.streets.kitti_writer import write_kitti

    out = write_kitti(args.out, args.frames, args.val_frames, args.seed, args.beams,
                      args.azimuth_steps, args.force)  # fmt: skip
    return f'{args.frames} + {args.val_frames} frames in {out}'


def write_streets(args: argparse.Namespace) -> str:
    """Write streets; returns what to say."""
    from projects.MiniScenes import streets

    write = getattr(streets, f'write_{args.layout}', streets.write_nuscenes_detection)
    val_count = max(1, args.count // 3) if args.val_count is None else args.val_count
    out = write(args.out, args.count, val_count, args.scans, args.seed, args.beams,
                args.azimuth_steps, args.period, args.force)  # fmt: skip
    return f'{args.count * args.scans} + {val_count * args.scans} scans in {out}'


_WRITERS = dict(scannet=write_rooms, kitti=write_boxes)


def main() -> None:
    """Write the data set the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('make_mini_data.py'):
        print(_WRITERS.get(args.layout, write_streets)(args))


if __name__ == '__main__':
    main()
