"""Who is right where: teacher, distilled student and student alone on the test scans.

    python tools/analysis_tools/agreement.py CONFIG CHECKPOINT [CHECKPOINT_ALONE]

CONFIG is that of the distillation. Prints IoU by class, points gained and lost, accuracy against
distance and density, calibration, and how alike the layers are (CKA).
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config of the distillation; its test set is used')
    parser.add_argument('checkpoint', help='weights of the distilled student')
    parser.add_argument('alone', nargs='?', help='weights of the same student, taught by nobody')
    parser.add_argument('--teacher-config', help="another teacher than the config's")
    parser.add_argument('--teacher-checkpoint', help="its weights (default: the config's)")
    parser.add_argument('--scans', type=int, help='test scans to look at (default: all)')
    parser.add_argument('--device', default='cpu', help='where networks run (default cpu)')
    parser.add_argument('--out', type=Path, help='JSON file to write everything to')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override entries of the config',
    )
    return parser.parse_args()


def main() -> None:
    """Compare, print and write; what cannot be compared ends it in one sentence."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('agreement.py'):
        print(compared(args))


def compared(args: argparse.Namespace) -> str:
    """Run the networks; returns the tables.

    Raises:
        UsageError: If no teacher's config file is named.
    """
    import itertools

    from projects.SRKD.analysis.agreement.comparison import ALONE, TAUGHT, TEACHER, compare
    from projects.SRKD.analysis.agreement.places import ROOM, STREET
    from projects.SRKD.analysis.agreement.told import told
    from projects.SRKD.analysis.networks import (
        build_network,
        every_scene,
        plain_config,
        read_plain,
    )
    from projects.SRKD.analysis.page.html import data
    from projects.SRKD.base import UsageError, check_writable, write_text
    from projects.SRKD.distill.newest_checkpoint import newest_checkpoint
    from projects.SRKD.engine.config_file import load_config, merge_options, parse_options

    if args.out is not None:
        check_writable(args.out.parent, '--out')
    cfg = load_config(args.config)
    merge_options(cfg, parse_options(args.cfg_options))
    teacher = cfg.model.get('teacher') or {}
    config = args.teacher_config or teacher.get('config')
    if not isinstance(config, str):
        raise UsageError(
            f"{args.config} must name a teacher's config file, but got {config}: give "
            '--teacher-config and --teacher-checkpoint'
        )
    weights = args.teacher_checkpoint or teacher.get('checkpoint') or newest_checkpoint(config)
    plain = plain_config(cfg)
    networks = {TEACHER: build_network(read_plain(config), weights, args.device)}
    if args.alone:
        networks[ALONE] = build_network(plain, args.alone, args.device)
    networks[TAUGHT] = build_network(plain, args.checkpoint, args.device)
    indoor = "'coord_type': 'DEPTH'" in str(plain.test_dataloader.dataset.pipeline)
    scenes = itertools.islice(every_scene(plain), args.scans)
    found = compare(networks, scenes, ROOM if indoor else STREET)
    if args.out is not None:
        write_text(args.out, data(found) + '\n')
    return told(found, plain.test_dataloader.dataset.metainfo.classes)


if __name__ == '__main__':
    main()
