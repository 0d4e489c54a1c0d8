"""Whether point clouds can be shown in a window."""

import os

from ..base import UsageError


def check_window() -> None:
    """Refuse to show where no window can be opened.

    Raises:
        UsageError: Without open3d or a display.
    """
    from mmdet3d.visualization import local_visualizer

    if local_visualizer.o3d is None:
        raise UsageError(
            'point clouds cannot be shown in a window: open3d cannot be imported (tools/'
            'check_env.py says why); without show= a picture from above is written'
        )
    if os.name == 'posix' and not os.environ.get('DISPLAY'):
        raise UsageError(
            'point clouds cannot be shown in a window: $DISPLAY names no display; '
            'without show= a picture from above is written'
        )
