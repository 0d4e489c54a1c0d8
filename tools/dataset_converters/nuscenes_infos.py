"""Write nuScenes' info files: ``python tools/dataset_converters/nuscenes_infos.py data/nuscenes``.

For LiDARs alone, without the images that mmdet3d's own converter asks for.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the info files of nuScenes for the LiDAR')
    parser.add_argument('root', help='folder of samples, maps and tables, which gets the files')
    parser.add_argument('--version', default='v1.0-trainval', help='default v1.0-trainval')
    parser.add_argument('--max-sweeps', type=int, default=10, help='earlier scans (default 10)')
    parser.add_argument(
        '--no-database', action='store_true', help='leave out the objects that detectors paste'
    )
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.nuscenes_detection import (
        write_nuscenes_infos,  # --help is quick
    )

    with misuse_told('nuscenes_infos.py'):
        counts = write_nuscenes_infos(
            args.root, args.version, args.max_sweeps, not args.no_database
        )
    said = ' + '.join(f'{count} {split}' for split, count in counts.items())
    print(f'{said} key frames in {args.root}')


if __name__ == '__main__':
    main()
