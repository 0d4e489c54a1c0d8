"""Warnings of foreign code about foreign code stay out of a run's log.

Breaks: reading a config prints "pkg_resources is deprecated as an API" at every inherited file,
    because the module is loaded anew each time; every training logs that "FileClient" and
    "HardDiskBackend" will be deprecated, though nobody asked for them; detectors print two more.
    None can be followed by the reader, and our own warnings drown in them.
Where: mmengine 0.10.7 ``utils/package_utils.py``: ``is_installed``, ``get_installed_path``;
    ``fileio/file_client.py``, which ``CheckpointHook.before_train`` calls itself; mmdet3d 1.4.0
    ``Anchor3DHead.__init__``; torch's ``meshgrid`` as mmdet3d's anchors call it.
Delete when: they use what they recommend.
"""

import warnings
from importlib.util import find_spec

MESSAGES = (
    'pkg_resources is deprecated as an API',
    'dir_offset and dir_limit_offset will be depressed',
    'torch.meshgrid: in an upcoming release',
)


def _silent(*args, **kwargs) -> None:
    """Stands for ``print_log`` in mmengine's ``file_client``, which logs those two lines alone."""


def apply() -> bool:
    """Filter those warnings, and no others, from now on."""
    for message in MESSAGES:
        warnings.filterwarnings('ignore', message=message, category=UserWarning)
    if find_spec('mmengine') is not None:
        from mmengine.fileio import file_client

        file_client.print_log = _silent
    return True
