"""MinkUNet's weights of mmdet3d's three backends, as the network on spconv names and lays them.

mmdet3d publishes MinkUNets trained on torchsparse, MinkowskiEngine and spconv. A network is the
same on each; names differ, and a kernel is a list of offsets there and a cube here.

Shape letters: C_in and C_out channels, k edge of a kernel, K = k^3 offsets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# Names of torchsparse and of MinkowskiEngine -> names on spconv. A block's own come first: what is
# left of `net` is a convolution with its norm.
_NAMES = (
    (r'\.downsample\.net\.0\.kernel$', '.downsample.0.weight'),
    (r'\.downsample\.net\.1\.bn\.', '.downsample.1.'),
    (r'\.downsample\.0\.kernel$', '.downsample.0.weight'),
    (r'\.(conv[12])\.kernel$', r'.\1.weight'),
    (r'\.norm([12])\.bn\.', r'.bn\1.'),
    (r'\.net\.3\.kernel$', '.conv2.weight'),
    (r'\.net\.4\.', '.bn2.'),
    (r'\.net\.0\.kernel$', '.0.weight'),
    (r'\.net\.1\.(?:bn\.)?', '.1.'),
)
_FIRST_IN_BLOCK = ((r'\.net\.0\.kernel$', '.conv1.weight'), (r'\.net\.1\.', '.bn1.'))


def to_spconv_layout(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a MinkUNet by the names and in the kernels of spconv.

    Kernels of torchsparse and MinkowskiEngine list offsets with x fastest where k is odd, with z
    fastest where it is even (torchsparse's ``get_kernel_offsets``, which says that it follows
    MinkowskiEngine; neither package was at hand to run).

    Args:
        weights: Of any backend; those of spconv and of other networks come back as they are.
    """
    if not any(key.endswith('.kernel') for key in weights):
        return dict(weights)
    blocks = {key.removesuffix('.net.3.kernel') for key in weights if key.endswith('.net.3.kernel')}
    return {
        _name(key, blocks): cube_of(value) if key.endswith('.kernel') else value
        for key, value in weights.items()
    }


def cube_of(kernel: Tensor) -> Tensor:
    """A kernel of offsets as spconv has it.

    Args:
        kernel: ``(K, C_in, C_out)``, or ``(C_in, C_out)`` of a single offset.

    Returns:
        ``(C_out, k, k, k, C_in)``, axes x, y, z; ``kernel`` itself where K is no cube.
    """
    kernel = kernel[None] if kernel.dim() == 2 else kernel
    edge = round(kernel.shape[0] ** (1 / 3))
    if kernel.dim() != 3 or edge**3 != kernel.shape[0]:
        return kernel
    cube = kernel.reshape(edge, edge, edge, *kernel.shape[1:])
    if edge % 2:
        cube = cube.transpose(0, 2)  # z, y, x
    return cube.movedim(-1, 0).contiguous()


def _name(key: str, blocks: set[str]) -> str:
    inside = any(key.startswith(f'{block}.net.') for block in blocks)
    for pattern, new in (*(_FIRST_IN_BLOCK if inside else ()), *_NAMES):
        renamed, count = re.subn(pattern, new, key)
        if count:
            return renamed
    return key
