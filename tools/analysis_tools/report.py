"""One HTML page that tells the story of runs.

    python tools/analysis_tools/report.py work_dirs/alone work_dirs/srkd work_dirs/test_srkd

Takes work dirs of ``tools/train.py`` and ``tools/test.py``; writes one file of 5 to 15 MB that
opens without a network.
"""

import argparse
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, help='folders of trainings and tests')
    parser.add_argument('--out', type=Path, help='default: report.html in the first work dir')
    parser.add_argument(
        '--scans', type=int, default=2, help='test scans to run networks on (default 2, 0: none)'
    )
    parser.add_argument('--device', default='cpu', help='where networks run (default cpu)')
    parser.add_argument(
        '--ceiling',
        type=float,
        metavar='METERS',
        help='leave points higher than this above the lowest out of 3D views, e.g. 2.2 for rooms',
    )
    return parser.parse_args()


def main() -> None:
    """Write the page; what cannot be read ends it in one sentence."""
    args = parse_args()
    from projects.SRKD.analysis.page.story import report  # after parsing: --help is quick
    from projects.SRKD.base import misuse_told

    with misuse_told('report.py'):
        out = args.out or args.work_dirs[0] / 'report.html'
        path = report(args.work_dirs, out, args.scans, args.device, args.ceiling)
        print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
