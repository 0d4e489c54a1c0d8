"""Logits are scaled cosines; a voxel's length of feature does not matter, its gradient does."""

import torch

from projects.SRKD.models.aligned_seg_head import AlignedClasses


def test_logits_equal_a_loop_and_have_gradients():
    torch.manual_seed(0)
    head = AlignedClasses(4, 3, 5).double()
    head.embedding.normal_()
    head.logit_scale.data.fill_(0.7)
    feat = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    found = head(feat)
    for row, logits in zip(feat, found):
        image = [
            sum(w * f for w, f in zip(weights, row)) + b
            for weights, b in zip(head.proj.weight, head.proj.bias)
        ]
        length = sum(value**2 for value in image) ** 0.5
        for label in range(3):
            dot = sum(a * b for a, b in zip(image, head.embedding[label]))
            torch.testing.assert_close(logits[label], head.logit_scale.exp() * dot / length)
    found.sum().backward()
    assert feat.grad.abs().sum() > 0 and head.logit_scale.grad.abs() > 0


def test_no_voxels_give_no_logits():
    assert AlignedClasses(4, 3, 5)(torch.zeros(0, 4)).shape == (0, 3)
