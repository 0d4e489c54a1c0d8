"""Mixed precision without a GPU: bfloat16 autocast, no gradient scaler.

Breaks: "AmpOptimizerWrapper is only available training on gpu, npu, mlu or musa".
Where: mmengine 0.10.7 ``optim/optimizer/amp_optimizer_wrapper.py``: ``AmpOptimWrapper.__init__``.
Delete when: mmengine's wrapper accepts ``dtype='bfloat16'`` on CPU; then configs use it directly.

Nothing is replaced: :class:`BFloat16OptimWrapper` is one more entry of the registry.
"""

from importlib.util import find_spec

import torch

if find_spec('mmdet3d') is not None:
    from mmdet3d.registry import OPTIM_WRAPPERS
    from mmengine.optim import AmpOptimWrapper, OptimWrapper

    @OPTIM_WRAPPERS.register_module()
    class BFloat16OptimWrapper(AmpOptimWrapper):
        """``AmpOptimWrapper`` in bfloat16 on any device.

        bfloat16 has float32's exponents, so gradients need no scaling: the scaler is a disabled one
        and its state an empty dict.

        Args:
            dtype: Only ``'bfloat16'``.
            **kwargs: Those of ``OptimWrapper``: ``optimizer``, ``clip_grad``...

        Raises:
            ValueError: Another ``dtype``, or a ``loss_scale``, which bfloat16 has no use for.
        """

        def __init__(self, dtype: str | torch.dtype = 'bfloat16', **kwargs):
            if dtype not in ('bfloat16', torch.bfloat16):
                raise ValueError(
                    "dtype of BFloat16OptimWrapper must be 'bfloat16', but got "
                    f'{dtype!r}; on a GPU AmpOptimWrapper offers others'
                )
            if kwargs.pop('loss_scale', 'dynamic') != 'dynamic':
                raise ValueError(
                    'BFloat16OptimWrapper scales no loss; remove loss_scale from '
                    'optim_wrapper or use AmpOptimWrapper on a GPU'
                )
            OptimWrapper.__init__(self, **kwargs)
            self._scale_update_param = None
            self.loss_scaler = torch.amp.GradScaler(enabled=False)
            self.cast_dtype = torch.bfloat16


def apply() -> bool:
    """Registered on import; there is nothing to replace."""
    return find_spec('mmdet3d') is not None
