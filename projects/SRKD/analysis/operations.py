"""Counting the operations of a forward pass, on active sites where layers are sparse.

A multiplication and an addition are two operations (FLOPs). Linear layers, dense and sparse
convolutions and attention are counted; normalization, activation and pooling are not.

Shape letters: N input sites, M output sites; rows are (batch, x, y, z).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from torch.utils.hooks import RemovableHandle

from ..ops.lookup import find_rows
from ..ops.sparse_conv import SparseGrid, SubMConv3d

Shape = Sequence[int]
_KINDS = dict(mm='linear', addmm='linear')


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


def _attention(query: Shape, key: Shape, value: Shape, *unused: Any, **named: Any) -> int:
    return sdpa_flop_count(query, key, value)


class OperationCounter(FlopCounterMode):
    """torch's counter, and what it does not see: attention on a CPU, sparse convolutions.

    Products of batches of matrices are counted as attention, all others as linear. On a GPU torch
    may widen the heads of an attention to a multiple of 8 channels and then counts these.

    Attributes:
        sparse: Operations of sparse convolutions, which :func:`count_operations` adds.
    """

    def __init__(self) -> None:
        # torch 2.1 has no such operator: None then stands for nothing.
        on_cpu = getattr(torch.ops.aten, '_scaled_dot_product_flash_attention_for_cpu', None)
        super().__init__(display=False, custom_mapping={on_cpu: _attention})
        self.sparse = 0

    @property
    def flops(self) -> dict[str, int]:
        """By kind: ``linear``, ``attention``, ``convolution``, ``sparse convolution``."""
        kinds: dict[str, int] = {}
        for operator, amount in self.flop_counts['Global'].items():
            name = operator.__name__
            kind = 'convolution' if 'convolution' in name else _KINDS.get(name, 'attention')
            kinds[kind] = kinds.get(kind, 0) + amount
        return kinds | ({'sparse convolution': self.sparse} if self.sparse else {})

    def watch(self, layer: nn.Module, pairs: Callable[..., int]) -> tuple[RemovableHandle, ...]:
        """Count a sparse layer by its pairs, whatever products its backend makes of them.

        Args:
            layer: With ``in_channels`` and ``out_channels``.
            pairs: Their number, of the layer, its inputs and its output.
        """
        dense: dict[Any, int] = {}

        def before(module: nn.Module, args: tuple) -> None:
            dense.update(self.flop_counts['Global'])

        def after(module: nn.Module, args: tuple, out: Any) -> None:
            found = pairs(module, *args, out)
            self.flop_counts['Global'] = defaultdict(int, dense)
            self.sparse += 2 * found * module.in_channels * module.out_channels

        return layer.register_forward_pre_hook(before), layer.register_forward_hook(after)


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

    with ExitStack() as stack:
        for module in network.modules():
            for kind, pairs in kinds:
                if isinstance(module, kind):
                    for handle in counter.watch(module, pairs):
                        stack.callback(handle.remove)
                    break
        stack.enter_context(counter)
        yield counter
