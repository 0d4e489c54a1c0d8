"""Write ScanNet200's masks: ``python tools/dataset_converters/scannet200_masks.py data/scannet``.

From ScanNet's own download and mmdet3d's export, see ``write_scannet200_masks``.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the masks of ScanNet200')
    parser.add_argument('root', help='folder of scans/, points/ and meta_data/, gets the masks')
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.scannet200 import write_scannet200_masks  # --help is quick

    with misuse_told('scannet200_masks.py'):
        count = write_scannet200_masks(args.root)
    print(f'{count} scenes in {args.root}')


if __name__ == '__main__':
    main()
