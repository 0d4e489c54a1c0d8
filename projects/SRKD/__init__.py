"""SRKD: knowledge distillation for 3D point clouds, as a plugin of MMDetection3D.

Importing the package registers every component in mmdet3d's registries, in the order data flows
through them. Without mmdet3d nothing is registered, and ``losses``, ``ops`` and the backbones can
still be imported: they need torch alone, and so carry no registry decorators themselves.
"""

import sys
from importlib.util import find_spec

from .commands.front import asks_for_help

_quick = asks_for_help(sys.argv, sys.orig_argv)  # of `srkd`: the tools' own parsers answer

if not _quick:
    from .base.shipped import configs, tools  # noqa: F401 - where they are, for users
    from .moved_modules import install

    install()

if not _quick and find_spec('mmdet3d') is not None:
    from mmdet3d.registry import MODELS
    from torch.nn import Module

    from . import compat

    compat.apply()

    # in the order of the data flow
    from . import datasets, backbones, losses, models, distill, evaluation, preflight, engine  # noqa: I001, F401
    from .backbones.cdsegnet import segmentor  # noqa: F401 - the backbone itself needs torch alone

    for backbone in map(vars(backbones).get, backbones.__all__):
        MODELS.register_module(module=backbone)
    for loss in map(vars(losses).get, losses.__all__):
        if isinstance(loss, type) and issubclass(loss, Module):
            MODELS.register_module(module=loss)
