"""A mini student as ONNX, in float32 and in 8 bits: error, AP, size, time.

    python benchmarks/bm_export.py [--epochs 20] [--data data/mini_kitti --checkpoint FILE]

The 16x PointPillars of the mini streets, trained alone, on what ``tools/make_mini_data.py kitti``
makes. Error: root mean square of the difference over that of torch's maps, of the worst output.
AP40 of moderate objects on 72 frames.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from arguments import options

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'mini/pointpillars-mini-16x_1xb4-20e_mini-kitti-3d.py'
WARM_UP = 1  # epoch of its schedule


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument('--epochs', type=int, default=20, help='of the training (default 20)')
    parser.add_argument('--frames', type=int, default=120, help='to train on (default 120)')
    parser.add_argument('--calibrate', type=int, default=32, help='training frames (default 32)')
    parser.add_argument('--data', type=Path, help='mini streets that are there already')
    parser.add_argument('--checkpoint', type=Path, help='a student that is trained already')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

from mmengine.logging import MMLogger
from timing import begin, report_goal

from projects.SRKD.analysis.networks import build_network, read_plain
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.measured import table
from projects.SRKD.export.student_out import compared, export_student
from projects.SRKD.models.weights import load_strictly


def tool(name: str, *words: object) -> None:
    """Run a tool of the checkout; what it says is shown if it fails."""
    command = [sys.executable, str(ROOT / 'tools' / name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{" ".join(command)}\n{done.stdout}\n{done.stderr}')


def trained(args: argparse.Namespace) -> Path:
    """Checkpoint of a student, trained in this folder unless one was given."""
    if args.checkpoint is not None:
        return args.checkpoint
    length = {
        'train_cfg.max_epochs': args.epochs,
        'train_cfg.val_interval': args.epochs + 1,
        'param_scheduler.1.T_max': args.epochs - WARM_UP,
        'param_scheduler.1.end': args.epochs,
    }
    words = [f'{key}={value}' for key, value in length.items()]
    tool('train.py', ROOT / 'configs' / CONFIG, '--work-dir', 'run', '--cfg-options', *words)
    return Path('run') / f'epoch_{args.epochs}.pth'


def measure(args: argparse.Namespace) -> None:
    """Print the table and the goals."""
    checkpoint = trained(args)
    config = ROOT / 'configs' / CONFIG
    out = Path('student.onnx')
    export_student(config, checkpoint, out, calibrate=args.calibrate, threads=args.threads)
    cfg = read_plain(config)
    network = build_network(cfg)
    load_strictly(network, str(checkpoint), 'checkpoint')
    files = [out, Path('student.int8.onnx')]
    rows = compared(cfg, network, graph_of(network).eval(), files, True, args.threads)
    parameters = sum(p.numel() for p in network.parameters())
    print(f'{CONFIG}: {parameters:,} parameters; 8 bits from {args.calibrate} frames')
    print(table(rows))
    torch, full, small = rows
    lost = max(full.scores[name] - small.scores[name] for name in full.scores)
    report_goal('ONNX of the mini 16x student: error', full.error, '<=', 1e-4, '')
    report_goal('ONNX of the mini 16x student: time / torch', full.ms / torch.ms, '<=', 1)
    report_goal(
        '8 bits of the mini 16x student: bytes / float32', small.size / full.size, '<=', 0.5
    )
    report_goal('8 bits of the mini 16x student: AP lost', lost, '<=', 1, ' points')


def main() -> None:
    """Prepare a folder with the data, measure in it."""
    args = parse_args()
    begin(args)
    MMLogger.get_current_instance().setLevel('WARNING')  # tables of every class
    for name in ('checkpoint', 'data'):
        given = getattr(args, name)
        setattr(args, name, given and given.resolve())
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path('data').mkdir()
            if args.data is not None:
                Path('data/mini_kitti').symlink_to(args.data)
            else:
                tool(
                    'make_mini_data.py',
                    'kitti',
                    '--out',
                    'data/mini_kitti',
                    '--frames',
                    args.frames,
                )
            measure(args)
        finally:
            os.chdir(before)


if __name__ == '__main__':
    main()
