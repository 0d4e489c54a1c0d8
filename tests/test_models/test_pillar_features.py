import math

import pytest
import torch

from projects.SRKD.models.pillar_features import PillarEncoder, PillarGrid


def cloud(size=400, samples=3, seed=0):
    """Rows of several samples in random order, some beside the map; double precision."""
    generator = torch.Generator().manual_seed(seed)
    feat = torch.rand(size, 4, generator=generator, dtype=torch.float64)
    feat[:, :3] = feat[:, :3] * 6 - 3
    feat[: size // 4, :2] *= 0.1  # many rows in few pillars
    return feat, torch.randint(0, samples, (size,), generator=generator)


def encode_row_by_row(encoder, feat, batch, low, size):
    """PointPillars' features by its text: one pillar and one row after the other."""
    pillars = {}
    for n, (x, y) in enumerate(feat[:, :2].tolist()):
        cell = (int(batch[n]), math.floor((x - low[0]) / size), math.floor((y - low[1]) / size))
        pillars.setdefault(cell, []).append(n)
    augmented = [None] * len(feat)
    for (_, i, j), members in pillars.items():
        mean = sum(feat[n, :3] for n in members) / len(members)
        center = feat.new_tensor([low[0] + (i + 0.5) * size, low[1] + (j + 0.5) * size])
        for n in members:
            augmented[n] = torch.cat([feat[n], feat[n, :3] - mean, feat[n, :2] - center])
    hidden = torch.stack(augmented) @ encoder.linear.weight.T
    norm = encoder.norm
    mean, var = norm.running_mean, norm.running_var
    if encoder.training:
        mean, var = hidden.mean(0), hidden.var(0, unbiased=False)
    hidden = ((hidden - mean) / (var + 1e-3).sqrt() * norm.weight + norm.bias).clamp(min=0)
    return hidden, {
        cell: torch.stack([hidden[n] for n in members]).amax(0) for cell, members in pillars.items()
    }


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = PillarEncoder(4, 8).double()
    for value in (encoder.norm.weight, encoder.norm.bias):
        torch.nn.init.normal_(value)
    encoder.norm.running_mean.normal_()
    encoder.norm.running_var.uniform_(0.5, 2)
    return encoder


@pytest.mark.parametrize('training', [True, False])
def test_features_and_gradients_are_those_of_a_plain_loop(encoder, training):
    encoder.train(training)
    grid = PillarGrid((-2.0, -1.5, 2.0, 1.5), 0.5)
    feat, batch = cloud()
    feat.requires_grad_()
    expected_rows, expected_pillars = encode_row_by_row(encoder, feat, batch, (-2.0, -1.5), 0.5)
    pillars = grid.pillars(feat[:, :3], batch)
    rows, pillar_feat = encoder(feat, pillars)
    torch.testing.assert_close(rows, expected_rows)
    cells = [tuple(cell) for cell in pillars.cells.tolist()]
    assert set(cells) == set(expected_pillars) and len(cells) == len(expected_pillars)
    expected = torch.stack([expected_pillars[cell] for cell in cells])
    torch.testing.assert_close(pillar_feat, expected)

    inputs = (feat, *encoder.parameters())
    wanted = torch.randn(pillar_feat.shape, dtype=torch.float64)
    for got, plain in zip(
        torch.autograd.grad((pillar_feat * wanted).sum(), inputs),
        torch.autograd.grad((expected * wanted).sum(), inputs),
    ):
        torch.testing.assert_close(got, plain)


def test_a_pillar_holds_any_number_of_rows(encoder, device):
    encoder = encoder.float().eval().to(device)
    feat = torch.rand(5000, 4, device=device) * 0.1
    feat[-1, 2] = 50.0  # the last row stands out, and the first rows alone would miss it
    pillars = PillarGrid((0, 0, 1, 1), 0.5).pillars(feat[:, :3], torch.zeros(5000, device=device))
    rows, pillar_feat = encoder(feat, pillars)
    assert pillars.cells.tolist() == [[0, 0, 0]]
    assert torch.equal(pillar_feat[0], rows.amax(0))
    assert (pillar_feat[0] == rows[-1]).any()


def test_rows_are_encoded_in_float32_under_autocast(encoder):
    encoder = encoder.float().eval()
    feat = torch.tensor([[50.01, 0.0, 0.0, 0.5], [50.02, 0.0, 0.0, 0.5]])
    pillars = PillarGrid((-51.2, -51.2, 51.2, 51.2), 0.2).pillars(feat[:, :3], torch.zeros(2))
    plain, _ = encoder(feat, pillars)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half, _ = encoder(feat, pillars)
    assert half.dtype == torch.float32 and torch.equal(half, plain)
    assert not torch.equal(plain[0], plain[1])


def test_the_lower_border_is_on_the_map_and_the_upper_one_is_not():
    grid = PillarGrid((-1.0, 0.0, 1.0, 4.0), 0.5)
    xyz = torch.tensor(
        [[-1, 0, 0], [0.99, 3.99, 99], [1, 0, 0], [0, 4, 0], [-1.01, 1, 0], [0, -9, -99]]
    )
    pillars = grid.pillars(xyz, torch.tensor([0, 1, 0, 0, 0, 0]))
    cells = pillars.cells[pillars.row_pillar].tolist()
    assert cells == [[0, 0, 0], [1, 3, 7], [0, 4, 0], [0, 2, 8], [0, -1, 2], [0, 2, -18]]
    on_map = grid.on_map(pillars.cells)[pillars.row_pillar]
    assert on_map.tolist() == [True, True, False, False, False, False]


def test_borders_of_the_map_are_normalized_to_one():
    grid = PillarGrid((-1.0, 0.0, 3.0, 1.0), 0.5)
    xyz = torch.tensor([[-1.0, 0.0, 5.0], [3.0, 1.0, 5.0], [1.0, 0.25, 5.0]])
    assert grid.normalized(xyz).tolist() == [[-1.0, -1.0], [1.0, 1.0], [0.0, -0.5]]


@pytest.mark.parametrize(
    ('bev_range', 'pillar_size', 'message'),
    [
        ((0, 0, 10.1, 10), 0.2, 'spans 10.1 m along x.*no multiple.*0.2: the nearest is 10 m'),
        ((0, -5.3, 10, 5), 0.5, 'spans 10.3 m along y.*no multiple.*0.5: the nearest is 10.5 m'),
        ((0, 0, 0.2, 1), 0.5, 'spans 0.2 m along x.*the nearest is 0.5 m'),
        ((1, 0, -1, 10), 0.2, r'positive lengths in meters, but got \(-2, 10\) and 0.2'),
        ((0, 0, 10, 10), 0, 'positive lengths in meters'),
        ((0, 0, -3, 10, 10, 1), 0.2, 'must be x_min, y_min, x_max, y_max, but got 6 numbers'),
    ],
)
def test_a_range_that_is_no_map_of_pillars_is_refused(bev_range, pillar_size, message):
    with pytest.raises(ValueError, match=message):
        PillarGrid(bev_range, pillar_size)
