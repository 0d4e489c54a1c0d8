import pytest
import torch

from projects.SRKD.ops.lookup import find_rows


@pytest.mark.parametrize('known', [0, 1, 7, 60])
@pytest.mark.parametrize('wanted', [0, 1, 50])
def test_every_key_finds_its_row_or_none(known, wanted):
    draw = torch.Generator().manual_seed(known + wanted)
    here = torch.randperm(80, generator=draw)[:known]
    keys = torch.randint(-3, 90, (wanted,), generator=draw)
    rows = {int(key): row for row, key in enumerate(here)}
    assert find_rows(here, keys).tolist() == [rows.get(int(key), -1) for key in keys]


def test_rows_without_a_place_are_found_by_nobody():
    assert find_rows(torch.tensor([-1, 4, -1]), torch.tensor([-1, 4])).tolist() == [-1, 1]
