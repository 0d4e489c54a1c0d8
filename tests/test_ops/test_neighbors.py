import pytest
import torch

from projects.SRKD.ops import knn, neighbors


def distances(query, reference):
    return (query.double()[:, None] - reference.double()[None]).square().sum(dim=2).sqrt()


@pytest.mark.parametrize('sizes', [(7, 11, 3), (1, 1, 1), (5, 3, 8), (40, 60, 60)])
@pytest.mark.parametrize('width', [1, 3, 64])
@pytest.mark.parametrize('held', [10, 1 << 22])
def test_neighbors_are_the_nearest_in_order(monkeypatch, sizes, width, held):
    monkeypatch.setattr(neighbors, 'MAX_DISTANCES', held)
    rows, others, k = sizes
    gen = torch.Generator().manual_seed(0)
    query = torch.randn(rows, width, generator=gen)
    reference = torch.randn(others, width, generator=gen)
    found = knn(query, reference, k)
    assert found.shape == (rows, min(k, others)) and found.dtype == torch.int64
    apart = distances(query, reference)
    expected = apart.sort(dim=1).values[:, : min(k, others)]
    torch.testing.assert_close(apart.gather(1, found), expected)


def test_neighbors_far_from_the_origin_are_not_confused():
    # One millimeter apart at 1 km: the expanded square loses all of it in float32.
    reference = torch.tensor([[1000.0, 0.0, 0.0]]) + torch.arange(40)[:, None] * 1e-3
    assert knn(reference, reference, 1).squeeze(1).tolist() == list(range(40))


def test_features_far_from_the_origin_are_not_confused():
    # Thousandths apart around 1000: squares from the origin lose them, from the mean they do not.
    gen = torch.Generator().manual_seed(0)
    reference = (1000 + 1e-3 * torch.randn(500, 32, generator=gen)).contiguous()
    found = knn(reference, reference, 5)
    apart = distances(reference, reference)
    expected = apart.sort(dim=1).values[:, :5]
    torch.testing.assert_close(apart.gather(1, found), expected, rtol=1e-5, atol=0)


def test_copies_of_one_feature_are_neighbors_of_distance_zero():
    reference = torch.zeros(300, 64)
    reference[200:] = torch.randn(100, 64, generator=torch.Generator().manual_seed(0))
    found = knn(reference, reference, 10)
    assert (found[:200] < 200).all()
    assert torch.equal(found[200:, 0], torch.arange(200, 300))


def test_half_positions_are_raised():
    points = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.bfloat16)
    assert knn(points, points, 2).tolist() == [[0, 1], [1, 0], [2, 1]]


@pytest.mark.parametrize(('rows', 'others'), [(0, 4), (4, 0), (0, 0)])
def test_nothing_has_no_neighbors(rows, others):
    assert knn(torch.zeros(rows, 3), torch.zeros(others, 3), 2).shape == (rows, min(2, others))


@pytest.mark.parametrize(
    ('query', 'reference', 'k', 'message'),
    [
        ((2, 3), (2, 3), 0, 'k must be at least 1, but got 0'),
        ((2, 3), (2, 4), 1, r'with the same D, but got \(2, 3\) and \(2, 4\)'),
        ((3,), (2, 3), 1, r'must be \(Q, D\) and \(R, D\)'),
    ],
)
def test_bad_arguments_are_refused(query, reference, k, message):
    with pytest.raises(ValueError, match=message):
        knn(torch.zeros(query), torch.zeros(reference), k)
