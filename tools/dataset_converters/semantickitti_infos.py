"""Write SemanticKITTI's info files: ``python tools/dataset_converters/semantickitti_infos.py DIR``.

For what lies there, see ``write_semantickitti_infos``.
"""

import argparse
import sys


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the info files of SemanticKITTI')
    parser.add_argument('root', help='folder of sequences/, which receives the files')
    return parser.parse_args()


def main() -> None:
    """Write the files the command line describes."""
    args = parse_args()
    from projects.SRKD.base import UsageError
    from projects.SRKD.datasets.semantickitti import write_semantickitti_infos  # --help is quick

    try:
        counts = write_semantickitti_infos(args.root)
    except UsageError as error:
        print(f'semantickitti_infos.py: {error}', file=sys.stderr)
        sys.exit(2)
    print(f'{counts["train"]} + {counts["val"]} scans in {args.root}')


if __name__ == '__main__':
    main()
