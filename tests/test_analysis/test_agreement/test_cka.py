import pytest
import torch

from projects.SRKD.analysis.agreement.cka import LinearCKA
from projects.SRKD.base import UsageError


def centered(rows):
    means = [sum(column) / len(rows) for column in zip(*rows)]
    return [[x - m for x, m in zip(row, means)] for row in rows]


def by_loops(x, y):
    x, y = centered(x.tolist()), centered(y.tolist())

    def square(a, b):
        total = 0.0
        for i in range(len(a[0])):
            for j in range(len(b[0])):
                total += sum(p[i] * q[j] for p, q in zip(a, b)) ** 2
        return total

    return square(x, y) / (square(x, x) ** 0.5 * square(y, y) ** 0.5)


def cka(x, y, *cuts):
    of, bounds = LinearCKA(), (0, *cuts, len(x))
    for low, high in zip(bounds, bounds[1:]):
        of.add(x[low:high], y[low:high])
    return of.result()


@pytest.mark.parametrize('points, own, theirs', [(2, 1, 1), (37, 5, 3), (9, 4, 12)])
def test_it_is_that_of_loops_however_scans_are_cut(points, own, theirs):
    x = torch.randn(points, own, dtype=torch.float64)
    y = torch.randn(points, theirs, dtype=torch.float64) + x[:, :1]
    expected = by_loops(x, y)
    assert cka(x, y) == pytest.approx(expected, rel=1e-9)
    assert cka(x, y, 1, 1, points - 1) == pytest.approx(expected, rel=1e-9)


def test_rotation_scale_and_offset_change_nothing():
    x = torch.randn(50, 6, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    assert cka(x, 7 * x @ turn + 1e6, 20) == pytest.approx(1.0, abs=1e-6)


def test_a_constant_layer_is_like_nothing():
    assert cka(torch.randn(9, 3), torch.ones(9, 2)) == 0.0
    assert cka(torch.randn(1, 3), torch.randn(1, 2)) == 0.0


def test_other_points_and_no_points_are_refused():
    with pytest.raises(UsageError, match='must compare the same points, but got 3 and 2'):
        LinearCKA().add(torch.zeros(3, 1), torch.zeros(2, 1))
    with pytest.raises(UsageError, match='CKA needs a point that both layers see'):
        LinearCKA().result()
