import math

import pytest
import torch

from projects.SRKD.losses.pointdistiller.importance import (
    SCALES,
    channel_max,
    softmax_weight,
    top_rows,
)


def test_channel_maximum_is_the_largest_entry_not_the_largest_magnitude():
    feat = torch.tensor([[-9.0, 1.0, 2.0], [-3.0, -2.0, -8.0]])
    assert channel_max(feat).tolist() == [2.0, -2.0]
    assert channel_max(feat[:0]).shape == (0,)
    assert channel_max(feat[:, :0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize('limit', [1, 3, 7, 99])
def test_top_rows_are_the_highest_in_order_and_clamped(limit):
    score = torch.randn(7, generator=torch.Generator().manual_seed(0))
    expected = sorted(range(7), key=lambda row: -score[row])[:limit]
    assert top_rows(score, limit).tolist() == expected
    assert top_rows(score[:0], limit).shape == (0,)


def reference(score, temperature, scale):
    score = [float(each) for each in score]
    low, high = min(score), max(score)
    scaled = {
        'none': score,
        'minmax': [(each - low) / ((high - low) or 1) for each in score],
        'log1p': [math.log(1 + max(each, 0)) for each in score],
    }[scale]
    powers = [math.exp(each / temperature) for each in scaled]
    return [len(score) * power / sum(powers) for power in powers]


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('score', [[4.0], [1.0, 1.0], [3.0, -2.0, 0.0, 7.5]])
@pytest.mark.parametrize('temperature', [0.1, 2.0])
def test_weights_equal_the_loop_and_have_mean_one(score, temperature, scale):
    score = torch.tensor(score, dtype=torch.float64)
    weight = softmax_weight(score, temperature, scale)
    torch.testing.assert_close(weight.tolist(), reference(score, temperature, scale))
    torch.testing.assert_close(weight.mean().item(), 1.0)


@pytest.mark.parametrize('scale', SCALES)
def test_no_anchor_has_no_weight(scale):
    assert softmax_weight(torch.zeros(0), 0.1, scale).shape == (0,)


def test_minmax_ignores_the_size_and_offset_of_scores():
    score = torch.rand(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = softmax_weight(40 * score - 7, 0.1)
    torch.testing.assert_close(moved, softmax_weight(score, 0.1))


def test_released_temperature_leaves_all_weight_to_the_fullest_voxels():
    count = torch.tensor([32.0, 32.0, 31.0, 1.0])
    torch.testing.assert_close(
        softmax_weight(count, 0.01, 'none'), torch.tensor([2.0, 2.0, 0.0, 0.0])
    )
    ours = softmax_weight(count, 0.1)
    assert ours[2] > 0.5 and 0 < ours[3] < 1e-3
