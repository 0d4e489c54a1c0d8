"""Write PandaSet's info files: ``python tools/dataset_converters/pandaset_infos.py data/pandaset``.

PandaSet is to lie there in SemanticKITTI's layout, see ``write_pandaset_infos``.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the info files of PandaSet')
    parser.add_argument('root', help='folder of the sequences, which receives the files')
    parser.add_argument('--sequences', nargs='+', help='names of the folders (default all)')
    parser.add_argument(
        '--train-share', type=float, default=0.75, help='first part of each drive (default 0.75)'
    )
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.pandaset import write_pandaset_infos  # --help is quick

    with misuse_told('pandaset_infos.py'):
        counts = write_pandaset_infos(args.root, args.sequences, args.train_share)
    print(f'{counts["train"]} + {counts["val"]} scans in {args.root}')


if __name__ == '__main__':
    main()
