"""How closely a student follows its teacher on the test scans.

    python tools/analysis_tools/fidelity.py CONFIG CHECKPOINT TEACHER_CONFIG TEACHER_CHECKPOINT

Prints the share of points on which both give one class, and the mean KL(teacher || student).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help="the student's config; its test set is used")
    parser.add_argument('checkpoint', help="the student's weights")
    parser.add_argument('teacher_config', help="the teacher's config")
    parser.add_argument('teacher_checkpoint', help="the teacher's weights")
    parser.add_argument('--out', type=Path, help='JSON file to write the two numbers to')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help="override entries of the student's config",
    )
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    import json

    from projects.SRKD.analysis.fidelity import fidelity
    from projects.SRKD.analysis.networks import build_network, every_scene, read_plain
    from projects.SRKD.base import misuse_told, write_text
    from projects.SRKD.engine.config_file import parse_options

    with misuse_told('fidelity.py'):
        cfg = read_plain(args.config, parse_options(args.cfg_options))
        student = build_network(cfg, args.checkpoint)
        teacher = build_network(read_plain(args.teacher_config), args.teacher_checkpoint)
        found = fidelity(student, teacher, every_scene(cfg))
        print(f'agreement {100 * found["agreement"]:.2f} %, KL {found["kl"]:.4f}')
        if args.out is not None:
            write_text(args.out, json.dumps(found) + '\n')


if __name__ == '__main__':
    main()
