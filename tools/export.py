"""Write a student as ONNX: ``python tools/export.py CONFIG CHECKPOINT student.onnx``.

With ``--int8 --calibrate 64`` also as ``student.int8.onnx``. What runs the files without torch:
docs/export.md.
"""

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write a student as ONNX')
    parser.add_argument('config', help='config of the student, or of its distillation')
    parser.add_argument('checkpoint', help="the student's weights")
    parser.add_argument('out', type=Path, help='file to write: NAME.onnx')
    parser.add_argument(
        '--int8', action='store_true', help='write NAME.int8.onnx, too, and compare the two'
    )
    parser.add_argument(
        '--calibrate',
        type=int,
        default=64,
        metavar='SCANS',
        help='training scans that set the ranges of --int8 (default 64)',
    )
    parser.add_argument(
        '--score', action='store_true', help='score torch and each file on the test set'
    )
    parser.add_argument(
        '--threads', type=int, default=0, help='of onnxruntime and torch (default: all cores)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries',
    )
    return parser.parse_args()


def main() -> None:
    """Export and print what came of it."""
    args = parse_args()

    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('export.py'):
        from projects.SRKD.engine.config_file import parse_options
        from projects.SRKD.export.student_out import export_student

        print(
            export_student(
                args.config,
                args.checkpoint,
                args.out,
                calibrate=args.calibrate if args.int8 else None,
                score=args.score,
                threads=args.threads,
                cfg_options=parse_options(args.cfg_options),
            )
        )


if __name__ == '__main__':
    main()
