"""spconv's convolutions on CPU tensors, computed by torch from spconv's own pairs.

Breaks: with more than one thread about one forward in six, and a backward likewise, returns wrong
    values (off by 0.5 and more); the pairs are right, gather and scatter are not. The backward asks
    for a CUDA stream and raises. A bias in eval mode raises "cpu don't support act and bias".
Where: spconv 2.3.8 ``spconv/pytorch/ops.py``: ``indice_conv``, ``indice_conv_backward``.
Delete when: a release agrees with dense ``conv3d`` in ``tests/test_compat/test_spconv_cpu.py``
    with the cure taken out.

Max-pooling and the making of pairs repeat exactly and are left alone, and so are tensors on a GPU.

Shape letters: N input rows, M output rows, K kernel offsets, C_in and C_out channels.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from torch import Tensor

from ..ops.sparse_conv import pair_conv

# attribute of spconv.pytorch.functional -> (inverse, submanifold)
KINDS = {
    'indice_conv': (False, False),
    'indice_inverse_conv': (True, False),
    'indice_subm_conv': (False, True),
}


def offset_pairs(
    indice_pairs: Tensor, counts: Tensor, inverse: bool, subm: bool
) -> list[tuple[Tensor, Tensor] | None]:
    """Read spconv's pair table.

    A submanifold table is half written: the center is the identity and is left out, and the counts
    of the second half are those of the first, mirrored.

    Args:
        indice_pairs: (2, K, N) int, rows of input and output, -1 beyond the count.
        counts: (K,) int, pairs of each kernel offset.
        inverse: Whether input and output change places.
        subm: Whether the table belongs to a submanifold convolution.

    Returns:
        For each of the K offsets the rows to gather from and the rows to add to, int64; None is the
        identity.
    """
    gather, scatter = indice_pairs.long().unbind(0)[:: -1 if inverse else 1]
    num_offsets = gather.shape[0]
    counts = counts.tolist()
    if subm:
        center = num_offsets // 2
        counts = [counts[min(k, num_offsets - 1 - k)] for k in range(num_offsets)]
        pairs = [(gather[k, :n], scatter[k, :n]) for k, n in enumerate(counts)]
        pairs[center] = None
        return pairs
    return [(gather[k, :n], scatter[k, :n]) for k, n in enumerate(counts)]


def _route(original: Callable, inverse: bool, subm: bool) -> Callable:
    """``original`` for a GPU, :func:`pair_conv` for a CPU; same arguments as spconv's function."""

    @wraps(original)
    def convolve(
        features,
        filters,
        indice_pairs,
        indice_pair_num,
        num_activate_out,
        algo,
        timer=None,
        bias=None,
        act_alpha=0.0,
        act_beta=0.0,
        act_type=None,
    ):
        if features.is_cuda:
            return original(
                features,
                filters,
                indice_pairs,
                indice_pair_num,
                num_activate_out,
                algo,
                timer,
                bias,
                act_alpha,
                act_beta,
                act_type,
            )
        if act_type is not None and getattr(act_type, 'name', 'None_') != 'None_':
            raise NotImplementedError(
                f'spconv was asked to fuse the activation {act_type.name} into a convolution of '
                'CPU tensors; put the activation into a layer of its own.'
            )
        weight = filters.flatten(1, -2)  # (C_out, K, C_in)
        pairs = offset_pairs(indice_pairs, indice_pair_num, inverse, subm)
        return pair_conv(features, weight, pairs, num_activate_out, bias)

    convolve.original = original
    return convolve


def apply() -> bool:
    """Send CPU tensors to torch in spconv's three convolutions."""
    if find_spec('spconv') is None:
        return False
    from spconv.pytorch import functional

    for name, (inverse, subm) in KINDS.items():
        function = getattr(functional, name)
        if not hasattr(function, 'original'):
            setattr(functional, name, _route(function, inverse, subm))
    return True
