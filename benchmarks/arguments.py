"""What all benchmarks share that does not need torch: ``--help`` does not wait for it."""

from __future__ import annotations

import argparse

GOAL = 'goal | '  # how a line that `bm_all.py` collects begins
PRECISIONS = ('float32', 'float64', 'bfloat16')


def options(description: str, repeats: int = 3) -> argparse.ArgumentParser:
    """Return a parser with what all benchmarks take."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        '--repeats', type=int, default=repeats, help=f'timed calls, of which the median is '
        f'printed (default {repeats})'
    )  # fmt: skip
    parser.add_argument('--threads', type=int, help="of torch on CPUs (default: torch's own)")
    parser.add_argument('--device', default='cpu', help='cpu (default), cuda, cuda:1, ...')
    return parser
