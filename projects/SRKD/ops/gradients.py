"""Gradients of several losses of one graph, and how they lie to each other.

Shape letters: P parameters.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients(loss: Tensor, parameters: Sequence[Tensor]) -> list[Tensor | None]:
    """Gradient of one loss; the graph stays for others and ``.grad`` is left alone.

    Args:
        loss: 0-d.
        parameters: P tensors that require a gradient.

    Returns:
        P gradients of the parameters' shapes; None where the loss does not depend on one.
    """
    if not loss.requires_grad:
        return [None] * len(parameters)
    with torch.autocast(loss.device.type, enabled=False):  # a backward pass stands outside of it
        return list(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))


def gradient_dot(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> float:
    """Inner product of two gradients over all parameters, summed in float64.

    Args:
        one: P gradients, None for zeros.
        other: P gradients, None for zeros.

    Example:
        >>> weight = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> grads = gradients(weight.square().sum(), [weight])
        >>> gradient_dot(grads, grads)
        20.0
    """
    pairs = [(a, b) for a, b in zip(one, other) if a is not None and b is not None]
    return float(sum((a.double() * b.double()).sum() for a, b in pairs))


def gradient_norm(found: Sequence[Tensor | None]) -> float:
    """Euclidean norm of a gradient over all parameters, summed in float64.

    Args:
        found: P gradients, None for zeros.
    """
    return gradient_dot(found, found) ** 0.5
