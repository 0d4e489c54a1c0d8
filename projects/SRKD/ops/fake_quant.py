"""Rounding to 8 bits that a gradient passes through.

Shape letters: C channels.
"""

import torch
from torch import Tensor

_EPS = torch.finfo(torch.float32).eps


def rounded_by_channel(weight: Tensor, axis: int) -> Tensor:
    r"""Round weights to 255 steps, symmetric about zero, of each channel's own size.

    .. math::
        s_c = \max |w_c| / 127, \qquad \hat w = s_c \operatorname{round}(w / s_c)

    As onnxruntime quantizes weights by channel. The gradient passes unchanged: no weight lies
    beyond its range. A batch norm that is folded into the weights later scales whole channels, and
    so commutes with this.

    Args:
        weight: Of a convolution.
        axis: Of the C output channels.

    Example:
        >>> rounded_by_channel(torch.tensor([[127.0, 0.4, -60.6]]), 0)
        tensor([[127.,   0., -61.]])
    """
    others = [dim for dim in range(weight.dim()) if dim != axis]
    scale = (weight.detach().abs().amax(others) / 127).float().clamp_min(_EPS)  # (C,)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, axis, -127, 127)


def rounded_in_range(value: Tensor, low: float, high: float) -> Tensor:
    r"""Round activations to 256 steps of a range that is widened to hold zero.

    .. math::
        s = (h - l) / 255, \qquad z = \operatorname{round}(-128 - l / s), \qquad
        \hat x = s (\operatorname{clamp}(\operatorname{round}(x / s) + z, -128, 127) - z)

    The gradient is that of the clamp.

    Args:
        value: Any shape.
        low: l, at most zero after widening.
        high: h, at least zero after widening.

    Example:
        >>> rounded_in_range(torch.tensor([0.4, 1.6, 300.0]), 0.0, 255.0)
        tensor([  0.,   2., 255.])
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, _EPS)
    zero = max(-128, min(127, round(-128 - low / scale)))
    return torch.fake_quantize_per_tensor_affine(value, scale, zero, -128, 127)
