"""What the tests of all serialized transformers share."""

import torch
from torch import nn


def voxels(sizes, seed=0, extent=20):
    """Distinct voxels of several samples, in random row order, and features."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for b, size in enumerate(sizes):
        cell = torch.randperm(extent**3, generator=generator)[:size]
        xyz = torch.stack([cell // extent**2, cell // extent % extent, cell % extent], 1)
        parts.append(torch.cat([torch.full((size, 1), b), xyz], 1))
    coors = torch.cat(parts)
    return torch.randn(len(coors), 4, generator=generator), coors


def seeded(kind, **arguments):
    """A network of fixed weights whose normalization has statistics that are not the identity."""
    torch.manual_seed(0)
    network = kind(**arguments)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network
