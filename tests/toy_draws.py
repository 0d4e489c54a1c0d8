"""Whether what a sample's pipeline draws follows from its draw and from nothing before it."""

import torch

from projects.SRKD.datasets.sample_draws import Draw, SampleFetcher


def assert_samples_belong_to_their_draws(dataset):
    """Fetch samples in two orders; a second epoch must look different."""
    SampleFetcher.install(dataset, seed=0)
    draws = [Draw(0), Draw(1), Draw(0, epoch=1)]
    forward = dataset.__getitems__(draws)
    backward = dataset.__getitems__(draws[::-1])[::-1]
    for one, other in zip(forward, backward):
        one, other = (each['inputs']['points'] for each in (one, other))
        assert torch.equal(one, other)
    first, _, later = (each['inputs']['points'] for each in forward)
    assert first.shape != later.shape or not torch.equal(first, later)
