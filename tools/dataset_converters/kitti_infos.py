"""Write KITTI's info files: ``python tools/dataset_converters/kitti_infos.py --root data/kitti``.

For a folder in KITTI's layout whose images may be absent, see ``write_kitti_infos``.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the info files of KITTI')
    parser.add_argument('--root', required=True, help='folder of the data, receives the files')
    parser.add_argument('--train', help='file of frame numbers (default ImageSets/train.txt)')
    parser.add_argument('--val', help='file of frame numbers (default ImageSets/val.txt)')
    parser.add_argument('--prefix', default='kitti', help='of the written names (default kitti)')
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.kitti import write_kitti_infos  # --help is quick

    with misuse_told('kitti_infos.py'):
        counts = write_kitti_infos(args.root, args.train, args.val, args.prefix)
    print(f'{counts["train"]} + {counts["val"]} frames in {args.root}')


if __name__ == '__main__':
    main()
