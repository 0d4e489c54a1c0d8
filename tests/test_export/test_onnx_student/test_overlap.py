"""Overlaps are those of :mod:`projects.SRKD.ops.rotated_iou`, whose own test counts points."""

import numpy as np
import pytest
import torch

from projects.SRKD.compat.mmdet3d_rotated_nms import rotated_nms
from projects.SRKD.export.onnx_student.overlap import rotated_iou, suppress
from projects.SRKD.ops import rotated_iou as wanted


def boxes(count, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.uniform((0, 0, 0.5, 0.5, -4), (6, 6, 4, 2, 4), (count, 5))
    found[count // 2 :] = found[: count - count // 2] + rng.normal(
        0, 1e-3, found[count // 2 :].shape
    )
    return found


def test_overlaps_of_rotated_boxes():
    a, b = boxes(40), boxes(31, seed=1)
    b[0] = a[0]
    b[1] = a[1] + [0, 0, 0, 0, np.pi]
    b[2] = [50, 50, 1, 1, 0]
    found = rotated_iou(a, b)
    exact = wanted.rotated_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-9)
    assert found[0, 0] == pytest.approx(1) and found[1, 1] == pytest.approx(1)
    assert not found[:, 2].any() and rotated_iou(a[:0], b).shape == (0, 31)


@pytest.mark.parametrize('count', [0, 1, 40, 300])
@pytest.mark.parametrize('threshold', [0.01, 0.5])
def test_the_boxes_that_stay(count, threshold):
    some = boxes(count) if count > 1 else np.ones((count, 5))
    scores = np.random.default_rng(2).random(count).round(2)  # some are equal
    kept = suppress(some, scores, threshold)
    exact = rotated_nms(torch.from_numpy(some), torch.from_numpy(scores), threshold)
    assert kept.tolist() == exact.tolist()
