"""Loading steps that are subclasses of mmdet3d's are found by its inference.

Breaks: "The data pipeline in your config file must include loading step", or a pipeline without
    its loader, where a loading step in the registry is a subclass of the one mmdet3d wrote.
Where: mmdet3d 1.4.0 ``datasets/utils.py``: ``is_loading_function`` compares classes by ``in``.
Delete when: it asks ``issubclass``.
"""

import inspect
from importlib.util import find_spec


def apply() -> bool:
    """Judge a step of a config as an object of its class would be."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.datasets import utils
    from mmdet3d.registry import TRANSFORMS

    if hasattr(utils.is_loading_function, 'original'):
        return True
    original = utils.is_loading_function

    def is_loading_function(transform):
        """Stands for mmdet3d's function of this name."""
        if isinstance(transform, dict):
            built = TRANSFORMS.get(transform['type'])
            if not inspect.isclass(built):
                return original(transform)
            transform = built.__new__(built)  # an object is judged by isinstance
        return original(transform)

    is_loading_function.original = original
    utils.is_loading_function = is_loading_function
    return True
