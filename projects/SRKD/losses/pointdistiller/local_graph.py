"""Edges between anchors and their neighbors, compared.

Shape letters: M nodes (points or voxels), Q anchors, K neighbors, C channels (C_s of the student,
C_t of the teacher), c channels of a graph feature, n rows to search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_choice
from ...ops import knn
from ..checks import check_same_width, connected_zero, full_precision
from .streamed_edges import neighbor_sum

EDGES = ('concat', 'sub')


@full_precision
def local_graph_mse(
    student: Tensor,
    teacher: Tensor,
    neighbors: Tensor,
    weight: Tensor | None = None,
    student_graph: Callable[[Tensor], Tensor] | None = None,
    teacher_graph: Callable[[Tensor], Tensor] | None = None,
    edge: str = 'concat',
) -> Tensor:
    r"""Weighted mean squared difference of edge features around anchors.

    .. math::
        L = \frac{1}{Q K c} \sum_{q=1}^{Q} w_q \sum_{k=1}^{K}
            \left| G_T(e^T_{qk}) - G_S(e^S_{qk}) \right|^2,
        \qquad e_{qk} = [f_{n_{qk}}, f_{n_{q1}}]

    Source: PointDistiller (arXiv 2205.11098), Eq. 1 and 2, in the form of the released code: the
    paper's text leaves open whether the norm is squared.

    Args:
        student: Features, (M, C_s).
        teacher: Features, (M, C_t); detached.
        neighbors: Rows of the neighbors, the same for both networks; the first column holds the
            anchors, (Q, K) int64.
        weight: Weight of every anchor, used as given, (Q,); detached. Default: ones.
        student_graph: Maps edges (Q, K, 2 C_s) to graph features (Q, K, c). Default: identity.
        teacher_graph: The same for (Q, K, 2 C_t).
        edge: ``'concat'`` (neighbor, anchor) or ``'sub'`` (anchor - neighbor, anchor).

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without edges.

    Raises:
        UsageError: If rows, widths, ``neighbors`` or ``weight`` do not fit, or ``edge`` is unknown.

    Example:
        >>> feat = torch.tensor([[0.0], [2.0]])
        >>> local_graph_mse(feat, torch.zeros(2, 1), torch.tensor([[0, 1]]))  # (0 + 4) / 4
        tensor(1.)
    """
    check_choice('edge', edge, EDGES)
    _check_neighbors(neighbors, weight, len(student))
    plain = student_graph is None and teacher_graph is None
    if plain:
        check_same_width(student, teacher, 'channels', 'give graphs that map both to one width')
    if neighbors.numel() == 0 or student.shape[1] == 0:
        return connected_zero(student)
    if plain:
        gap = edge_gap(student - teacher, [neighbors], edge)  # (Q,)
    else:
        own = edge_features(student, neighbors, edge)
        own = own if student_graph is None else student_graph(own)
        taught = edge_features(teacher, neighbors, edge)
        taught = taught if teacher_graph is None else teacher_graph(taught)
        if own.shape != taught.shape:
            raise UsageError(
                'student_graph and teacher_graph must give graph features of one shape, but got '
                f'{tuple(own.shape)} and {tuple(taught.shape)}'
            )
        gap = (own - taught).square().mean(dim=(1, 2))
    return (gap if weight is None else gap * weight.detach().to(gap)).mean()


def _check_neighbors(neighbors: Tensor, weight: Tensor | None, num_rows: int) -> None:
    if neighbors.dim() != 2 or neighbors.dtype != torch.int64:
        raise UsageError(
            'neighbors must be (Q, K) int64 row numbers, but got '
            f'{tuple(neighbors.shape)} {neighbors.dtype}'
        )
    if neighbors.numel():
        low, high = torch.aminmax(neighbors)
        if low < 0 or high >= num_rows:
            raise UsageError(
                f'neighbors must lie in [0, {num_rows}), the rows of student and teacher, but span '
                f'{int(low)} to {int(high)}'
            )
    if weight is not None and weight.shape != neighbors.shape[:1]:
        raise UsageError(
            f'weight must have shape ({len(neighbors)},), one per anchor, but got '
            f'{tuple(weight.shape)}'
        )


def edge_features(feat: Tensor, neighbors: Tensor, edge: str = 'concat') -> Tensor:
    """Edges (Q, K, 2C) of features (M, C); see :func:`local_graph_mse` for the arguments."""
    around = feat[neighbors]
    center = around[:, :1].expand_as(around)
    return torch.cat([center - around if edge == 'sub' else around, center], dim=2)


def edge_gap(delta: Tensor, neighbors: Sequence[Tensor], edge: str) -> Tensor:
    """Mean square of the 2C channels of every anchor's edges, none of which is built.

    Args:
        delta: Student minus teacher, (M, C).
        neighbors: Rows of the neighbors of every sample's anchors, (Q_b, K_b) int64 each.
        edge: As in :func:`local_graph_mse`.

    Returns:
        Mean squares, (Q,), Q the anchors of all samples.
    """
    anchors = torch.cat([rows[:, 0] for rows in neighbors])
    degree = torch.cat([torch.full((len(rows),), rows.shape[1]) for rows in neighbors]).to(delta)
    square = delta.square().sum(dim=1)  # (M,)
    own = square[anchors]
    around = neighbor_sum(square[:, None], neighbors).squeeze(1) / degree
    if edge == 'sub':  # |a - b|^2 multiplied out; |a|^2, the other half, outweighs its rounding
        inner = delta.index_select(0, anchors) * neighbor_sum(delta, neighbors)
        around = around + own - 2 * inner.sum(dim=1) / degree
    return (around + own) / (2 * delta.shape[1])


def nearest_in_feature_space(feat: Tensor, anchors: Tensor, rows: Tensor, k: int) -> Tensor:
    """Neighbors of anchors among some rows, the anchor first.

    Found in blocks, see :func:`projects.SRKD.ops.knn`. Where features coincide (dead ReLUs), an
    anchor may find K copies of itself instead: it then takes the place of one.

    Args:
        feat: Features, (M, C).
        anchors: Rows of the anchors, each one of ``rows``, (Q,).
        rows: Rows to search, distinct, (n,).
        k: Neighbors wanted, the anchor included.

    Returns:
        Row numbers, (Q, min(k, n)) int64.
    """
    found = rows[knn(feat[anchors], feat[rows], k)]
    itself = found == anchors[:, None]
    found = torch.where(itself, found[:, :1], found)
    found[:, 0] = anchors
    return found
