import pytest
import torch

from projects.SRKD.ops import (
    batch_to_list,
    draw_rows,
    group_rows,
    padded_blocks,
)


def test_batch_to_list_accepts_any_order_and_no_rows():
    rows = torch.arange(5)
    parts = batch_to_list(rows, torch.tensor([9, 2, 9, -1, 2]))
    assert [part.tolist() for part in parts] == [[1, 4], [0, 2]]
    assert batch_to_list(rows[:0], torch.zeros(0).long()) == []


def test_groups_keep_row_order_and_leave_out_minus_one():
    groups = group_rows(torch.tensor([4, -1, 0, 4, 0, 7]))
    assert groups.ids.tolist() == [0, 4, 7]
    assert groups.counts.tolist() == [2, 2, 1]
    assert groups.starts.tolist() == [0, 2, 4]
    assert groups.order.tolist() == [2, 4, 0, 3, 5]


@pytest.mark.parametrize('max_rows', [1, 16, 10_000])
def test_blocks_visit_every_row_once_and_pad_at_most_half(max_rows):
    index = torch.randint(0, 40, (300,), generator=torch.Generator().manual_seed(0)) ** 2
    index[:100] = 77
    groups = group_rows(index)
    seen = []
    for block, rows, real in padded_blocks(groups, torch.arange(len(groups.ids)), max_rows):
        assert 2 * real.sum() >= real.numel()
        assert real.numel() <= max(max_rows, real.shape[1])
        assert (index[rows] == groups.ids[block, None]).all()
        seen.append(rows[real])
    assert torch.equal(torch.cat(seen).sort().values, torch.arange(300))


def test_draws_at_most_the_limit_of_every_id():
    index = torch.tensor([0] * 10 + [5] * 3 + [-1] * 4 + [2] * 7)
    rows = draw_rows(index, 4)
    assert torch.equal(rows, rows.unique())
    assert torch.bincount(index[rows]).tolist() == [4, 0, 4, 0, 0, 3]


def test_draws_are_uniform():
    torch.manual_seed(0)
    index = torch.tensor([0, 1, 0, 0, 1, 0])
    counts = sum(torch.bincount(draw_rows(index, 1), minlength=6) for _ in range(4000))
    expected = torch.tensor([1.0, 2.0, 1.0, 1.0, 2.0, 1.0]) / 4
    torch.testing.assert_close(counts / 4000, expected, atol=0.03, rtol=0)


def test_nothing_is_drawn_from_nothing():
    assert draw_rows(torch.zeros(0).long(), 3).tolist() == []
