"""Loading sparse kernels by their shape, not by the version written beside them.

Breaks: a correct state dict is refused with "size mismatch", or its kernels are permuted in
    silence, whenever it lacks ``_metadata`` of version 2: a plain dict, a renamed or filtered one.
Where: mmdet3d 1.4.0 ``models/layers/spconv/overwrite_spconv/write_spconv2.py``: importing
    ``mmdet3d.models`` replaces spconv's ``SparseModule._load_from_state_dict`` by one that takes
    such a dict for spconv 1.x.
Delete when: mmdet3d compares shapes before it permutes.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from torch import nn

from ..ops.spconv_layout import to_spconv2


def _by_shape(original: Callable) -> Callable:

    @wraps(original)
    def load(self: nn.Module, state_dict, prefix, local_metadata, *args, **kwargs):
        own = {
            f'{prefix}{name}': value
            for name, value in self._parameters.items()
            if value is not None
        }
        fitted = {
            key: to_spconv2(state_dict[key], own[key].shape)
            for key in own.keys() & state_dict.keys()
        }
        # everything now has the layout of version 2: say so, and mmdet3d permutes nothing
        return original(
            self,
            {**state_dict, **fitted},
            prefix,
            {**local_metadata, 'version': 2},
            *args,
            **kwargs,
        )

    load.original = original
    return load


def apply() -> bool:
    """Wrap the loader that mmdet3d gave spconv's modules."""
    if find_spec('spconv') is None or find_spec('mmdet3d') is None:
        return False
    import mmdet3d.models  # noqa: F401  (replaces the loader as it is imported)
    from spconv.pytorch import SparseModule

    load = SparseModule._load_from_state_dict
    if load is nn.Module._load_from_state_dict:  # mmdet3d left it alone
        return False
    if not hasattr(load, 'original'):
        SparseModule._load_from_state_dict = _by_shape(load)
    return True
