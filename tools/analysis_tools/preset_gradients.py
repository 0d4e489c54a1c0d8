"""What each term of each preset amounts to: ``python tools/analysis_tools/preset_gradients.py``.

Makes small procedural data of every kind, trains a teacher on each and measures every preset's
terms on a fresh student and on one trained with them. Prints a table.
"""

import argparse
import platform
import shlex
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Gradients of all presets beside the task')
    parser.add_argument('--data', default='work_dirs/preset_gradients', help='folder of the data')
    parser.add_argument('--teacher-steps', type=int, default=100, help='training of the teacher')
    parser.add_argument('--late', type=int, default=60, help='steps of the student, measured again')
    parser.add_argument('--points', type=int, default=1500, help='points kept of each scan')
    parser.add_argument('--seed', type=int, default=0, help='of networks and batches')
    parser.add_argument('--bench', nargs='+', help='only benches whose name holds one of these')
    parser.add_argument('--out', help='file of the table (default: printed)')
    return parser.parse_args()


def main() -> None:
    """Measure and write."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('preset_gradients.py'):
        text = measured(args)
    if args.out:
        from projects.SRKD.base import write_text

        write_text(args.out, text)
    else:
        print(text)


def measured(args: argparse.Namespace) -> str:
    """Measure; returns the page."""
    import torch
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # studies/ is not installed
    from studies.preset_gradients import BENCHES, measure, page

    MMLogger.get_instance('preset_gradients', log_level='ERROR')
    init_default_scope('mmdet3d')
    ratios = []
    for bench in BENCHES:
        if args.bench and not any(word in bench.name for word in args.bench):
            continue
        root = data_of(bench.name.split(',')[0], Path(args.data))
        stages = tuple(sorted({0, args.late}))
        for ratio in measure(bench, root, args.teacher_steps, stages, args.points, seed=args.seed):
            ratios.append(ratio)
            print(*ratio, file=sys.stderr, flush=True)
    how = (
        f'Teacher trained {args.teacher_steps} steps, two scans of {args.points} points a step, '
        f'seed {args.seed}; torch {torch.__version__}, {torch.get_num_threads()} thread(s), '
        f'{platform.machine()}.'
    )
    command = shlex.join(['python', 'tools/analysis_tools/preset_gradients.py', *sys.argv[1:]])
    return page(ratios, command, how)


def data_of(kind: str, folder: Path) -> Path:
    """Make the data of a bench, unless it is there."""
    from projects.MiniScenes.rooms import write_scannet
    from projects.MiniScenes.streets import (
        write_kitti,
        write_nuscenes,
        write_nuscenes_detection,
    )

    writers = {
        'rooms': lambda out: write_scannet(out, 8, 1, seed=0, points=6000),
        'streets': lambda out: write_nuscenes(
            out, scenes=6, val_scenes=1, scans=1, azimuth_steps=180),
        'KITTI': lambda out: write_kitti(
            out, frames=8, val_frames=1, beams=32, azimuth_steps=360),
        'nuScenes': lambda out: write_nuscenes_detection(
            out, scenes=2, val_scenes=1, scans=4, azimuth_steps=180),
    }  # fmt: skip
    root = folder / kind
    if not root.exists():
        writers[kind](root)
    return root


if __name__ == '__main__':
    main()
