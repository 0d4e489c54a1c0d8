"""Write SemanticKITTI's info files: ``python tools/dataset_converters/semantickitti_infos.py DIR``.

For what lies there, see ``write_semantickitti_infos``.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the info files of SemanticKITTI')
    parser.add_argument('root', help='folder of sequences/, which receives the files')
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import misuse_told
    from projects.SRKD.datasets.infos.semantickitti import (
        write_semantickitti_infos,  # --help is quick
    )

    with misuse_told('semantickitti_infos.py'):
        counts = write_semantickitti_infos(args.root)
    print(f'{counts["train"]} + {counts["val"]} scans in {args.root}')


if __name__ == '__main__':
    main()
