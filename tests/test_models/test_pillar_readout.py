import torch
from torch import nn

from projects.SRKD.models.pillar_readout import PillarReadout, read_map


def center(x, y, width, height):
    """Place of a cell's center in [-1, 1]."""
    return [(2 * x + 1) / width - 1, (2 * y + 1) / height - 1]


def test_a_row_at_a_cells_center_reads_that_cell_of_its_sample(device):
    bev = torch.randn(2, 3, 4, 8, device=device)  # 8 cells along x, 4 along y
    cells = [(1, 7, 0), (0, 0, 3), (1, 2, 1), (0, 5, 2)]  # sample, x, y in no order
    place = torch.tensor([center(x, y, 8, 4) for _, x, y in cells], device=device)
    batch = torch.tensor([b for b, _, _ in cells], device=device)
    expected = torch.stack([bev[b, :, y, x] for b, x, y in cells])
    torch.testing.assert_close(read_map(bev, place, batch), expected)


def test_between_centers_it_is_bilinear_and_beside_the_map_it_is_zero():
    bev = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    places = [
        center(1.25, 2.5, 4, 4),  # between four cells
        center(-0.5, 1, 4, 4),  # on the border: half a cell away from the outermost center
        center(-1, 1, 4, 4),
        center(900, 1, 4, 4),
    ]
    got = read_map(bev, torch.tensor(places, dtype=torch.float64), torch.zeros(4).long())
    cell = bev[0].permute(2, 1, 0)  # x, y, C
    mix = 0.375 * (cell[1, 2] + cell[1, 3]) + 0.125 * (cell[2, 2] + cell[2, 3])
    zero = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(got, torch.stack([mix, cell[0, 1] / 2, zero, zero]))


def test_it_equals_an_mlp_on_both_features_side_by_side():
    torch.manual_seed(0)
    readout = PillarReadout(6, 5, 4).double().eval()
    bev, rows = torch.randn(2, 6, 8, 8).double(), torch.randn(30, 5).double()
    place, batch = torch.rand(30, 2).double() * 3 - 1.5, torch.randint(0, 2, (30,))
    both = torch.cat([read_map(bev, place, batch), rows], 1)
    weight = torch.cat([readout.from_map.weight[:, :, 0, 0], readout.from_row.weight], 1)
    expected = readout.mlp(both @ weight.T)
    torch.testing.assert_close(readout(bev, rows, place, batch), expected)


def test_gradients_reach_the_map_and_the_rows():
    torch.manual_seed(0)
    bev, rows = torch.randn(1, 2, 3, 3).double(), torch.randn(5, 3).double()
    place, batch = torch.rand(5, 2).double() * 2 - 1, torch.zeros(5).long()
    readout = PillarReadout(2, 3, 2).double().eval()
    readout.mlp[1] = readout.mlp[4] = nn.Identity()  # a kink has no numerical gradient
    inputs = bev.requires_grad_(), rows.requires_grad_()
    assert torch.autograd.gradcheck(lambda b, r: readout(b, r, place, batch), inputs)
