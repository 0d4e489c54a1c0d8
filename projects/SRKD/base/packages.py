"""Packages that only some data sets or files need, and that one may not want for their licenses."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .errors import UsageError

OPTIONAL = {
    'huggingface_hub': 'huggingface_hub',
    'lyft_dataset_sdk': 'lyft-dataset-sdk',
    'nuscenes': 'nuscenes-devkit',
    'onnx': 'onnx',
    'onnxruntime': 'onnxruntime',
    'onnxscript': 'onnxscript',
    'pyquaternion': 'pyquaternion',
    'shapely': 'shapely',
}
"""Name to import -> name to install."""


class PackageMissingError(UsageError, ImportError):
    """A package that is not installed; says how to install it."""

    def __init__(self, used: str) -> None:
        """Name what was used, dotted, e.g. ``nuscenes.NuScenes``."""
        package = OPTIONAL[used.split('.')[0]]
        super().__init__(
            f'{used} is needed here and {package} is not installed: pip install {package} '
            '(its license: docs/licenses.md)'
        )


def needed(module: str) -> ModuleType:
    """Import a module of an optional package.

    Raises:
        PackageMissingError: If the package is not installed.

    Example:
        >>> needed('nuscenes.utils.splits').mini_val
        ['scene-0103', 'scene-0916']
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or '').split('.')[0] != module.split('.')[0]:
            raise  # it is there, something that it needs is not
        raise PackageMissingError(module) from None
