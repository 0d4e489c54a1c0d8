"""Edges between anchors and their neighbors, compared.

Shape letters: M nodes (points or voxels), Q_b anchors and K_b neighbors of sample b, Q anchors and
E edges of all samples, C channels (C_s of the student, C_t of the teacher), c channels of a graph
feature, n rows to search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ...base import UsageError
from ...base.checks import check_choice
from ...ops import knn
from ..checks import check_same_width, connected_zero, full_precision
from .edge_graph import EdgeGraph
from .streamed_edges import edge_mse, edge_peaks, neighbor_sum

EDGES = ('concat', 'sub')

Graph = Callable[[Tensor], Tensor]


@full_precision
def local_graph_mse(
    student: Tensor,
    teacher: Tensor,
    neighbors: Tensor | Sequence[Tensor],
    weight: Tensor | Callable[[Tensor], Tensor] | None = None,
    student_graph: Graph | None = None,
    teacher_graph: Graph | None = None,
    edge: str = 'concat',
) -> Tensor:
    r"""Weighted mean squared difference of edge features around anchors.

    .. math::
        L = \frac{1}{Q} \sum_{q=1}^{Q} \frac{w_q}{K_q c} \sum_{k=1}^{K_q}
            \left| G_T(e^T_{qk}) - G_S(e^S_{qk}) \right|^2,
        \qquad e_{qk} = [f_{n_{qk}}, f_{n_{q1}}]

    with :math:`K_q` the neighbors of the anchor's sample. Where both graphs are an
    :class:`EdgeGraph`, or there are none, no edge is built, see :func:`edge_mse` and
    :func:`edge_gap`.

    Source: PointDistiller (arXiv 2205.11098), Eq. 1 and 2, in the form of the released code: the
    paper's text leaves open whether the norm is squared.

    Args:
        student: Features, (M, C_s).
        teacher: Features, (M, C_t); detached.
        neighbors: Rows of the neighbors, the same for both networks; the first column holds the
            anchors, (Q, K) int64, or one such tensor per sample, (Q_b, K_b) each.
        weight: Weight of every anchor, used as given, (Q,), or a function that makes it of the
            largest teacher's graph feature of every anchor, (Q,) to (Q,); detached. Default: ones.
        student_graph: Maps edges (Q, K, 2 C_s) to graph features (Q, K, c); those of several
            samples, (E, 2 C_s), to (E, c). Default: identity.
        teacher_graph: The same for edges of 2 C_t channels.
        edge: ``'concat'`` (neighbor, anchor) or ``'sub'`` (anchor - neighbor, anchor).

    Returns:
        0-d loss, float32 (float64 for float64 inputs); without edges zero, and connected to the
        student and to the parameters of both graphs.

    Raises:
        UsageError: If rows, widths, ``neighbors`` or ``weight`` do not fit, or ``edge`` is unknown.

    Example:
        >>> feat = torch.tensor([[0.0], [2.0]])
        >>> local_graph_mse(feat, torch.zeros(2, 1), torch.tensor([[0, 1]]))  # (0 + 4) / 4
        tensor(1.)
    """
    check_choice('edge', edge, EDGES)
    samples = [neighbors] if isinstance(neighbors, Tensor) else list(neighbors)
    num_anchors = _check_neighbors(samples, len(student))
    samples = [rows for rows in samples if len(rows)]
    if not callable(weight):
        _check_weight(weight, num_anchors)
    graphs = student_graph, teacher_graph
    plain = student_graph is None and teacher_graph is None
    if plain:
        check_same_width(student, teacher, 'channels', 'give graphs that map both to one width')
    if not any(rows.numel() for rows in samples) or student.shape[1] == 0:
        # Every learned parameter takes part in every step: DDP need not search unused ones.
        learned = (graph.parameters() for graph in graphs if isinstance(graph, nn.Module))
        return sum((connected_zero(p) for each in learned for p in each), connected_zero(student))
    if _streamed(*graphs):
        own = student_graph.on_nodes(student, samples, edge)
        taught = teacher_graph.on_nodes(teacher, samples, edge)
        relu = teacher_graph.relu
        weight = _weight(weight, num_anchors, student, lambda: edge_peaks(*taught, samples, relu))
        return edge_mse(own, taught, samples, weight / num_anchors, relu)
    if plain and not callable(weight):
        gap, peaks = edge_gap(student - teacher, samples, edge), None
    else:
        edges = samples[0] if isinstance(neighbors, Tensor) else samples
        gap, peaks = _built_gap(student, teacher, edges, graphs, edge)
    return (gap * _weight(weight, num_anchors, gap, lambda: peaks)).mean()


def _check_neighbors(samples: Sequence[Tensor], num_rows: int) -> int:
    """Return Q, the anchors of all samples."""
    for rows in samples:
        if rows.dim() != 2 or rows.dtype != torch.int64:
            raise UsageError(
                'neighbors must be (Q, K) int64 row numbers, but got '
                f'{tuple(rows.shape)} {rows.dtype}'
            )
        if not rows.numel():
            continue
        low, high = torch.aminmax(rows)
        if low < 0 or high >= num_rows:
            raise UsageError(
                f'neighbors must lie in [0, {num_rows}), the rows of student and teacher, but span '
                f'{int(low)} to {int(high)}'
            )
    if len({bool(rows.shape[1]) for rows in samples if len(rows)}) > 1:
        raise UsageError(
            'neighbors must hold at least the anchors in every sample, but got '
            f'{", ".join(str(tuple(rows.shape)) for rows in samples)}'
        )
    return sum(len(rows) for rows in samples)


def _weight(
    weight: Tensor | Callable[[Tensor], Tensor] | None,
    num_anchors: int,
    like: Tensor,
    peaks: Callable[[], Tensor],
) -> Tensor:
    """Weights (Q,) from what the caller gave; ``peaks`` is asked only by a function of them."""
    if weight is None:
        return like.new_ones(num_anchors)
    if callable(weight):
        weight = weight(peaks())
        _check_weight(weight, num_anchors)
    return weight.detach().to(like)


def _check_weight(weight: Tensor | None, num_anchors: int) -> None:
    if weight is not None and weight.shape != (num_anchors,):
        raise UsageError(
            f'weight must have shape ({num_anchors},), one per anchor, but got '
            f'{tuple(weight.shape)}'
        )


def _streamed(student: Graph | None, teacher: Graph | None) -> bool:
    both = isinstance(student, EdgeGraph) and isinstance(teacher, EdgeGraph)
    return both and student.relu == teacher.relu


def _built_gap(
    student: Tensor,
    teacher: Tensor,
    neighbors: Tensor | Sequence[Tensor],
    graphs: tuple[Graph | None, Graph | None],
    edge: str,
) -> tuple[Tensor, Tensor]:
    """Mean square and largest teacher's graph feature of every anchor, (Q,), all edges built."""
    own, taught = (
        _graph_features(feat, neighbors, graph, edge)
        for feat, graph in zip((student, teacher), graphs)
    )
    if own.shape != taught.shape:
        raise UsageError(
            'student_graph and teacher_graph must give graph features of one shape, but got '
            f'{tuple(own.shape)} and {tuple(taught.shape)}'
        )
    samples = [neighbors] if isinstance(neighbors, Tensor) else neighbors
    square = _per_sample((own - taught).square().mean(dim=-1), samples)
    largest = _per_sample(taught.detach().amax(dim=-1), samples)
    gap = torch.cat([each.mean(dim=1) for each in square])
    return gap, torch.cat([each.amax(dim=1) for each in largest])


def _graph_features(
    feat: Tensor, neighbors: Tensor | Sequence[Tensor], graph: Graph | None, edge: str
) -> Tensor:
    """Graph features (Q, K, c), or (E, c) of several samples, from edges that are built."""
    if isinstance(neighbors, Tensor):
        edges = edge_features(feat, neighbors, edge)
    else:
        edges = torch.cat([edge_features(feat, rows, edge).flatten(0, 1) for rows in neighbors])
    return edges if graph is None else graph(edges)


def _per_sample(value: Tensor, samples: Sequence[Tensor]) -> list[Tensor]:
    """Values of all edges as B times (Q_b, K_b)."""
    parts = value.flatten().split([rows.numel() for rows in samples])
    return [part.view_as(rows) for part, rows in zip(parts, samples)]


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
