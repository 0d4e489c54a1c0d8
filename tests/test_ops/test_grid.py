import pytest
import torch

from projects.SRKD.ops import occupied_cells


@pytest.mark.parametrize('stretch', [1, 10**6, 2**40])  # the last overflows one integer per cell
def test_cells_equal_unique_rows(stretch):
    cells = torch.randint(-3, 4, (60, 3), generator=torch.Generator().manual_seed(0)) * stretch
    expected, expected_number = torch.unique(cells, dim=0, return_inverse=True)
    unique, number = occupied_cells(cells)
    assert torch.equal(unique, expected) and torch.equal(number, expected_number)


def test_no_points_occupy_no_cell():
    unique, number = occupied_cells(torch.zeros(0, 4).long())
    assert unique.shape == (0, 4) and number.shape == (0,)
