"""Write a project for your own scans: ``python tools/new_project.py DIR --data ROOT ...``.

Three small configs, tried before they are left; ``srkd train DIR`` goes on.
"""

import argparse
from collections.abc import Sequence


def parse_args(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; None: that of the process."""
    parser = argparse.ArgumentParser(
        description='Write a project: a student for your own scans, alone and distilled'
    )
    parser.add_argument('folder', metavar='DIR', help='folder to make')
    parser.add_argument('--data', required=True, metavar='ROOT', help='folder of the scans')
    parser.add_argument(
        '--like',
        required=True,
        metavar='KIND',
        help='whose layout and recipe: scannet, scannet200, semantickitti, nuscenes, pandaset, '
        'kitti; for minutes on a CPU mini-scannet, mini-semantickitti, mini-semantickitti-frames, '
        'mini-nuscenes, mini-pandaset, mini-kitti, kitti-frames-car, mini-nuscenes-boxes',
    )
    parser.add_argument(
        '--teacher',
        required=True,
        metavar='NAME|CONFIG[:CHECKPOINT]',
        help='name of a shipped config or path of one; without a checkpoint the newest of '
        'work_dirs/NAME',
    )
    parser.add_argument(
        '--student',
        required=True,
        metavar='NAME',
        help='half, ptv3-base, minkunet18, minkunet18-w16, minkunet34, litept, pointpillars, '
        'ptv3-mini-s, ptv3-mini-m, minkunet-mini; detectors: 2x, 4x, 8x, 16x',
    )
    parser.add_argument(
        '--method',
        default='srkd',
        metavar='NAME',
        help='file of configs/_base_/distill (default srkd; detectors: pointdistiller, ...)',
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help="classes in place of the data's own"
    )
    parser.add_argument(
        '--ids', nargs='+', type=int, metavar='ID', help='raw id of each class (default 0 1 2 ...)'
    )
    parser.add_argument('--epochs', type=int, help="length of the training (default: schedule's)")
    parser.add_argument('--batch-size', type=int, help="scans of a step (default: the data's)")
    return parser.parse_args(words)


def main() -> None:
    """Write the project the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick
    from projects.SRKD.commands.new_project import new_project, told

    with misuse_told('new_project.py'):
        print(told(args.folder, new_project(**vars(args))))


if __name__ == '__main__':
    main()
