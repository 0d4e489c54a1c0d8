"""Counting the operations of a forward pass, on active sites where layers are sparse.

A multiplication and an addition are two operations (FLOPs). Linear layers, dense and sparse
convolutions and attention are counted; normalization, activation and pooling are not.

Shapes: N input sites, M output sites; rows are (batch, x, y, z).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..ops.lookup import find_rows
from ..ops.sparse_conv import SparseGrid, SubMConv3d

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def count_pairs(
    inputs: Tensor,
    outputs: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
) -> int:
    """Number of (input site, output site) pairs that a sparse convolution multiplies.

    Whatever the backend does, a pair is an input site at
    ``output * stride - padding + k * dilation`` for a kernel position ``k``.

    Args:
        inputs: Active sites ``(N, 4)``, all coordinates >= 0.
        outputs: Active sites ``(M, 4)``.
        kernel: Kernel size per axis.
        stride: Step per axis.
        padding: Padding per axis.
        dilation: Spacing of kernel positions per axis.

    Example:
        >>> sites = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]])
        >>> count_pairs(sites, sites, (3, 3, 3), padding=(1, 1, 1))
        5
    """
    inputs, outputs = inputs.long(), outputs.long()
    if not len(inputs) or not len(outputs):
        return 0
    step, shift, gap = (outputs.new_tensor(x) for x in (stride, padding, dilation))
    span = inputs.amax(0) + 1  # (4,)
    radix = F.pad(span[1:].flip(0).cumprod(0).flip(0), (0, 1), value=1)  # (4,): a site's number
    known = (inputs * radix).sum(1)  # (N,)
    total = 0
    for place in torch.cartesian_prod(*(torch.arange(k) for k in kernel)).view(-1, len(kernel)):
        offset = place.to(outputs) * gap - shift
        wanted = torch.cat([outputs[:, :1], outputs[:, 1:] * step + offset], 1)  # (M, 4)
        wanted = wanted[((wanted >= 0) & (wanted < span)).all(1)]
        total += int((find_rows(known, (wanted * radix).sum(1)) >= 0).sum())
    return total


class OperationCounter(TorchFunctionMode):
    """Counts what torch functions called inside its ``with`` block multiply and add.

    Attributes:
        flops: Operations by kind: ``linear``, ``attention``, ``convolution`` and, added by
            :func:`count_operations`, ``sparse convolution``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops: dict[str, int] = {}

    def add(self, kind: str, amount: int) -> None:
        """Add operations of one kind."""
        self.flops[kind] = self.flops.get(kind, 0) + int(amount)

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Call a torch function and count it if it is one of those that matter."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        named = dict(zip(('input', 'weight', 'value'), args)) | kwargs
        if func is F.linear:
            self.add('linear', 2 * out.numel() * named['input'].shape[-1])
        elif func is F.scaled_dot_product_attention:
            query, key = (kwargs.get(n, a) for n, a in zip(('query', 'key'), (*args, None, None)))
            scores = query[..., 0].numel() * key.shape[-2]
            self.add('attention', 2 * scores * (query.shape[-1] + out.shape[-1]))
        elif func in _CONVOLUTIONS:
            self.add('convolution', 2 * out.numel() * named['weight'][0].numel())
        elif func in _TRANSPOSED:
            self.add('convolution', 2 * named['input'].numel() * named['weight'][0].numel())
        return out


def _own_pairs(conv: SubMConv3d, feat: Tensor, grid: SparseGrid, out: Tensor) -> int:
    size = (conv.kernel_size,) * 3
    padding = (conv.kernel_size // 2,) * 3
    return count_pairs(grid.coors, grid.coors, size, padding=padding)


def _spconv_pairs(conv: nn.Module, source: Any, target: Any) -> int:
    if conv.conv1x1:
        return len(source.indices)
    if conv.subm:
        padding = [k // 2 * d for k, d in zip(conv.kernel_size, conv.dilation)]
        sites = source.indices
        return count_pairs(sites, sites, conv.kernel_size, (1, 1, 1), padding, conv.dilation)
    if conv.inverse:  # the pairs of the convolution it undoes
        done = source.indice_dict[conv.indice_key]
        return count_pairs(
            target.indices, source.indices, done.ksize, done.stride, done.padding, done.dilation
        )
    return count_pairs(
        source.indices, target.indices, conv.kernel_size, conv.stride, conv.padding, conv.dilation
    )


@contextmanager
def count_operations(network: nn.Module) -> Iterator[OperationCounter]:
    """Count the forward passes of a network inside the block.

    Example:
        >>> layer = nn.Linear(4, 8)
        >>> with count_operations(layer) as counter:
        ...     _ = layer(torch.ones(10, 4))
        >>> counter.flops
        {'linear': 640}
    """
    counter = OperationCounter()
    kinds: list[tuple[type, Callable[..., int]]] = [(SubMConv3d, _own_pairs)]
    if find_spec('spconv'):
        from spconv.pytorch.conv import SparseConvolution

        kinds.append((SparseConvolution, _spconv_pairs))

    def hook(pairs: Callable[..., int]) -> Callable:
        def count(module: nn.Module, args: tuple, out: Any) -> None:
            amount = 2 * pairs(module, *args, out) * module.in_channels * module.out_channels
            counter.add('sparse convolution', amount)

        return count

    with ExitStack() as stack:
        for module in network.modules():
            for kind, pairs in kinds:
                if isinstance(module, kind):
                    handle = module.register_forward_hook(hook(pairs))
                    stack.callback(handle.remove)
                    break
        stack.enter_context(counter)
        yield counter
