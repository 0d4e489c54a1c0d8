"""SRKD: knowledge distillation for 3D point clouds, as a plugin of MMDetection3D.

Importing the package registers every component in mmdet3d's registries, in the order data flows
through them. Without mmdet3d nothing is registered, and ``losses``, ``ops`` and ``backbones.ptv3``
can still be imported: they need torch alone, and so carry no registry decorators themselves.
"""

from importlib.util import find_spec

if find_spec('mmdet3d') is not None:
    from mmdet3d.registry import MODELS

    from . import compat

    compat.apply()

    from .datasets import cross_sample_batch_sampler  # noqa: F401, I001
    from .engine import batch_composition_hook, distill_schedule_hook, reseed_hook  # noqa: F401

    from . import backbones, losses, models, distill  # noqa: I001 - the order of the data flow

    for component in (
        backbones.PointTransformerV3,
        losses.SoftTargetKLLoss,
        losses.PointAffinityLoss,
        losses.VoxelAffinityLoss,
        losses.ChannelKLLoss,
        losses.VoxelChannelKLLoss,
        losses.CrossSampleAffinityLoss,
        losses.FeatureMSELoss,
    ):
        MODELS.register_module(module=component)
