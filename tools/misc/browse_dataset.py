"""Look at a data set as its config loads it; mmdet3d's own script with its own flags.

``python tools/misc/browse_dataset.py CONFIG --task lidar_seg --output-dir DIR --not-show`` draws
every training sample from above, without a display; ``--aug`` with the training's augmentation.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the script that mmdet3d's wheel carries."""
    import mmdet3d

    from projects.SRKD.base import UsageError

    script = Path(mmdet3d.__file__).parent / '.mim/tools/misc/browse_dataset.py'
    try:
        runpy.run_path(str(script), run_name='__main__')
    except UsageError as error:
        print(f'browse_dataset.py: {error}', file=sys.stderr)
        sys.exit(2)


if __name__ == '__main__':
    main()
