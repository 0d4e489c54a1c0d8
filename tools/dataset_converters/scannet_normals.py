"""Write ScanNet's normals: ``python tools/dataset_converters/scannet_normals.py data/scannet``.

From the meshes of ScanNet's own download and mmdet3d's export, see ``write_scannet_normals``.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the normals of ScanNet's points")
    parser.add_argument('root', help='folder of scans/ and points/, gets the normals')
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.scannet_normals import write_scannet_normals  # --help: quick

    with misuse_told('scannet_normals.py'):
        count = write_scannet_normals(args.root)
        print(f'{count} scenes in {args.root}')


if __name__ == '__main__':
    main()
