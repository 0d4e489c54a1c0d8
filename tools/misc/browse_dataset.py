"""Look at a data set as its config loads it; mmdet3d's own script with its own flags.

``python tools/misc/browse_dataset.py CONFIG --task lidar_seg --output-dir DIR --not-show`` draws
every training sample from above, without a display; ``--aug`` with the training's augmentation.
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line, whose flags mmdet3d's script reads again."""
    parser = argparse.ArgumentParser(description='Look at a data set as its config loads it')
    parser.add_argument('config', help='config file')
    parser.add_argument('--output-dir', help='save drawings to this folder')
    parser.add_argument('--not-show', action='store_true', help='open no windows')
    parser.add_argument('--show-interval', type=float, default=2, help='seconds a window stays')
    parser.add_argument(
        '--task',
        choices=['mono_det', 'multi-view_det', 'lidar_det', 'lidar_seg', 'multi-modality_det'],
        help='how to draw',
    )
    parser.add_argument('--aug', action='store_true', help="draw with the training's augmentation")
    parser.add_argument('--ceph', action='store_true', help='read data through ceph')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries, e.g. train_dataloader.dataset.data_root=data/scannet/',
    )
    return parser.parse_args()


def main() -> None:
    """Run the script that mmdet3d's wheel carries."""
    parse_args()
    import mmdet3d  # after parsing: --help is quick

    from projects.SRKD.base import UsageError

    script = Path(mmdet3d.__file__).parent / '.mim/tools/misc/browse_dataset.py'
    try:
        runpy.run_path(str(script), run_name='__main__')
    except UsageError as error:
        print(f'browse_dataset.py: {error}', file=sys.stderr)
        sys.exit(2)


if __name__ == '__main__':
    main()
