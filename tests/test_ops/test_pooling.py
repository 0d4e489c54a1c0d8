import torch

from projects.SRKD.ops.pooling import points_per_voxel, pool_max


def test_pooling_shares_the_gradient_of_ties_like_torch():
    feat = torch.randint(0, 3, (40, 5)).double().requires_grad_()
    parent = torch.cat([torch.arange(9), torch.randint(0, 9, (31,))])
    where = parent[:, None].expand_as(feat)
    start = feat.new_full((9, 5), float('-inf'))
    expected = start.scatter_reduce(0, where, feat, 'amax')
    got = pool_max(feat, parent, 9)
    assert torch.equal(got, expected)
    seed = torch.randn_like(got)
    torch.testing.assert_close(
        *(torch.autograd.grad(out, feat, seed)[0] for out in (got, expected))
    )


def test_points_per_voxel_counts_every_raw_point_that_has_a_voxel():
    row = torch.tensor([3, 1, 3, -1, 3, 0])
    assert points_per_voxel(row, 6).tolist() == [1.0, 1.0, 0.0, 3.0, 0.0, 0.0]
    assert points_per_voxel(row[:0], 2).tolist() == [0.0, 0.0]
