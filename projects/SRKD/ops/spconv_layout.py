"""Layouts of sparse kernels in spconv's two generations."""

from torch import Tensor


def to_spconv2(kernel: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A kernel in the layout of spconv 2.x.

    Args:
        kernel: spconv 2.x (C_out, *k, C_in), spconv 1.x (*k, C_in, C_out), or anything else.
        shape: Shape of the parameter it is meant for.

    Returns:
        ``kernel`` itself if it has that shape (also where both layouts would fit), its
        permutation if that has, else ``kernel`` itself for the caller to refuse.
    """
    if kernel.shape != shape and kernel.dim() > 2:
        permuted = kernel.movedim(-1, 0)
        if permuted.shape == shape:
            return permuted
    return kernel
