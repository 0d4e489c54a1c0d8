"""PointDistiller: local graphs around the points that matter.

Shape letters: M nodes (points or voxels), Q_b anchors and K_b neighbors of sample b, Q anchors of
all samples, C channels (C_s of the student, C_t of the teacher), c channels of a graph feature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...base import UsageError
from ...base.checks import check_choice, check_positive
from ...ops import group_rows, rank_share
from ..checks import check_ids, check_same_width, full_precision
from .edge_graph import EdgeGraph
from .importance import channel_max, top_rows
from .local_graph import EDGES, local_graph_mse, nearest_in_feature_space
from .weights import SoftmaxWeights, Weights, build_weights, with_old_arguments

SOFTMAX = SoftmaxWeights()
GUARDS = ('frozen', 'normalized', 'none')


class LocalGraphLoss(nn.Module):
    """Align local graphs around the most important nodes of every sample.

    Source: PointDistiller (Zhang et al., CVPR 2023); see :func:`local_graph_mse` for the formula.
    The teacher chooses anchors and neighbors (in its own feature space), the student follows.
    Paper and release train both graphs on this one loss, whose trivial optimum is that both give a
    constant. The release ignores its configured N, K and temperature; on bird's eye view maps its
    reweighting is a softmax over an axis of length one. Both are options here, not defaults.

    Memory: distances and edges in blocks; what is kept has the size of the features, see
    :func:`edge_mse`.

    In several processes the loss is the mean over the anchors of all, but what is taken over a
    batch is of each process's own scans: the normalization of graphs (as a batch norm's), the
    number of samples in ``InertWeights``, and N with ``across_samples``. Without these it is that
    of one process.

    Importance is the teacher's channel maximum; :meth:`compare` takes any other, and
    :class:`PointCountLocalGraphLoss` the points per voxel.

    Args:
        student_channels: C_s; needed for graphs.
        teacher_channels: C_t; needed for graphs.
        graph_channels: c; 32 or 16 in the release. None: edges are compared as they are.
        num_anchors: N per sample, or all nodes where there are fewer; 6000 (pillars, points) and
            256 (bird's eye view) in the release.
        num_neighbors: K, the anchor included, or all nodes where there are fewer; 128 (256) in the
            release.
        reweighting: Before 0.2 the kind of ``weights``; goes with 0.3, like the next two.
        temperature: Before 0.2 that of ``weights``.
        scale: Before 0.2 that of ``weights``.
        edge: As in :func:`local_graph_mse`.
        across_samples: Take anchors and neighbors from all samples together, N for all, as the
            release does with pillars.
        guard: What prevents the trivial optimum: ``'frozen'`` keeps the teacher's graph as
            initialized, ``'normalized'`` trains both but ends them in the normalization, which
            keeps their variance at one; ``'none'`` is the paper.
        loss_weight: 2 in the release.
        weights: Of anchors: ``dict(type='SoftmaxWeights', temperature=0.1, scale='minmax')`` (the
            default), the paper's ``GraphWeights`` for points, the release's ``InertWeights`` on
            maps, anything that is called like them, or None: all alike.

    Raises:
        UsageError: If an argument is out of range, unknown or missing.
    """

    equal_rows = True  # neighbors of one network are looked up in the other

    def __init__(
        self,
        student_channels: int | None = None,
        teacher_channels: int | None = None,
        graph_channels: int | None = 32,
        num_anchors: int = 6000,
        num_neighbors: int = 128,
        reweighting: str | None = None,
        temperature: float | None = None,
        scale: str | None = None,
        edge: str = 'concat',
        across_samples: bool = False,
        guard: str = 'frozen',
        loss_weight: float = 1.0,
        *,
        weights: Weights | dict | None = SOFTMAX,
    ) -> None:
        super().__init__()
        check_positive(num_anchors=num_anchors, num_neighbors=num_neighbors)
        check_choice('edge', edge, EDGES)
        check_choice('guard', guard, GUARDS)
        self.num_anchors, self.num_neighbors = num_anchors, num_neighbors
        weights = build_weights(weights)
        self.weights = with_old_arguments(weights, reweighting, temperature, scale)
        self.edge, self.across_samples = edge, across_samples
        self.loss_weight = loss_weight
        self.equal_width = graph_channels is None  # a term checks it while building
        self.widths = dict(student=student_channels, teacher=teacher_channels)
        self.graphs = None
        if graph_channels is not None:
            check_positive(graph_channels=graph_channels)
            self.graphs = self._build_graphs(
                student_channels, teacher_channels, graph_channels, guard
            )
        elif getattr(self.weights, 'needs_graphs', False):
            raise UsageError(
                f'{type(self.weights).__name__} needs graphs: set graph_channels, for example 32'
            )

    def _build_graphs(
        self, student_channels: int | None, teacher_channels: int | None, channels: int, guard: str
    ) -> nn.ModuleDict:
        if student_channels is None or teacher_channels is None:
            raise UsageError(
                'graphs need student_channels and teacher_channels, the widths of both taps, but '
                f'but got {student_channels} and {teacher_channels}; set graph_channels=None to '
                'compare edges as they are'
            )
        relu = guard != 'normalized'
        student = EdgeGraph(student_channels, channels, affine=guard != 'normalized', relu=relu)
        teacher = EdgeGraph(teacher_channels, channels, affine=guard == 'none', relu=relu)
        teacher.requires_grad_(guard != 'frozen')
        return nn.ModuleDict(dict(student=student, teacher=teacher))

    def forward(self, student: Tensor, teacher: Tensor, batch: Tensor) -> Tensor:
        """Compute the loss of features (M, C_s), (M, C_t) and sample ids (M,), -1 left out."""
        return self.compare(student, teacher, batch)

    def compare(
        self, student: Tensor, teacher: Tensor, batch: Tensor, importance: Tensor | None = None
    ) -> Tensor:
        """Compute the loss with the importance of every node given, (M,).

        Args:
            student: Features, (M, C_s).
            teacher: Features, (M, C_t); detached.
            batch: Sample id of every row, any order, (M,) int64; -1 leaves a row out.
            importance: Any real numbers, larger is more important; detached. Default:
                the teacher's channel maximum.

        Raises:
            UsageError: If rows, widths or ``importance`` do not fit.
        """
        loss = full_precision(self._compare)(student, teacher, batch, importance)
        return loss * self.loss_weight

    def _compare(
        self, student: Tensor, teacher: Tensor, batch: Tensor, importance: Tensor | None
    ) -> Tensor:
        check_ids('batch', batch, len(student))
        self._check_widths(student, teacher)
        score = channel_max(teacher) if importance is None else importance.detach().to(teacher)
        if score.shape != batch.shape:
            raise UsageError(
                f'importance must have shape ({len(batch)},), one score per row, but got '
                f'{tuple(score.shape)}'
            )
        neighbors = self._neighbors(teacher, batch, score)
        weight = None
        if self.weights is not None and neighbors:
            scores = [score[rows[:, 0]] for rows in neighbors]
            weight = self.weights(scores, len(torch.unique(batch[batch >= 0])))
        graphs = (None, None) if self.graphs is None else self.graphs.values()
        loss = local_graph_mse(student, teacher, neighbors, weight, *graphs, self.edge)
        return loss * rank_share(sum(map(len, neighbors)), student)

    def _neighbors(self, teacher: Tensor, batch: Tensor, score: Tensor) -> list[Tensor]:
        """Find the anchors (first column) and neighbors of every sample, B times (Q_b, K_b)."""
        group = torch.where(batch >= 0, 0, -1) if self.across_samples else batch
        groups = group_rows(group)
        found = []
        for rows in groups.order.split(groups.counts.tolist()):
            anchors = rows[top_rows(score[rows], self.num_anchors)]
            found.append(nearest_in_feature_space(teacher, anchors, rows, self.num_neighbors))
        return found

    def _check_widths(self, student: Tensor, teacher: Tensor) -> None:
        if self.graphs is None:
            check_same_width(student, teacher, 'channels', 'set graph_channels, for example 32')
            return
        for name, feat in (('student', student), ('teacher', teacher)):
            if feat.shape[1] != self.widths[name]:
                raise UsageError(
                    f'{name} has {feat.shape[1]} channels but its graph takes '
                    f'{self.widths[name]}: set {name}_channels={feat.shape[1]}'
                )


class PointCountLocalGraphLoss(LocalGraphLoss):
    """:class:`LocalGraphLoss` with the points per voxel as importance.

    For voxel networks; the paper's choice there. Takes the arguments of its parent.
    """

    def forward(self, student: Tensor, teacher: Tensor, batch: Tensor, count: Tensor) -> Tensor:
        """Compute the loss of features, sample ids (M,) and raw points in every row (M,)."""
        return self.compare(student, teacher, batch, count)
