"""The command line of the demos; imports nothing that takes long, so that ``--help`` is quick."""

import argparse
from pathlib import Path

PRESETS = ('full', 'smoke')


def parse_args(description: str, folder: Path) -> argparse.Namespace:
    """Read the command line.

    Args:
        description: What the demo does.
        folder: Where its runs are kept by default.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        '--preset', choices=PRESETS, default='full', help='smoke: one epoch, to see that it runs'
    )
    parser.add_argument(
        '--work-dir', type=Path, default=folder, help=f'folder of data and runs (default {folder})'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the trainings')
    parser.add_argument(
        '--teacher-checkpoint', type=Path, help='use this trained teacher instead of training one'
    )
    return parser.parse_args()
