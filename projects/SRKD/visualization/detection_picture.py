"""One picture of a frame from above: its objects, and what several detectors make of it.

Shape letters: n points, k objects, m boxes; a box is x, y, z, dx, dy, dz, yaw, ...
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from projects.SRKD.ops.rotated_iou import rotated_iou

from ..base import UsageError
from .picture import extent, save

_POINT, _TRUTH = (0.72, 0.74, 0.77), (0.15, 0.15, 0.15)
_PANEL = 4.2  # inches: width of a panel
_SEEN_FROM_ABOVE = [0, 1, 3, 4, 6]


class Boxes(NamedTuple):
    """Boxes in the LiDAR frame; without scores they are known objects."""

    boxes: np.ndarray  # (m, >= 7), meters, yaw counter-clockwise from the x axis
    labels: np.ndarray  # (m,) class; outside [0, L) means of no class that is looked for
    scores: np.ndarray | None = None  # (m,), 0 to 1


def predicted_boxes(sample: Any) -> Boxes:
    """What a detector found, of the data sample that its ``predict`` gives."""
    found = sample.pred_instances_3d
    return Boxes(found.bboxes_3d.numpy(), found.labels_3d.numpy(), found.scores_3d.numpy())


def known_boxes(sample: Any) -> Boxes:
    """Known objects of a data sample of the test set."""
    known = sample.eval_ann_info
    return Boxes(known['gt_bboxes_3d'].numpy(), np.asarray(known['gt_labels_3d']))


def outlines(boxes: np.ndarray) -> np.ndarray:
    """Lines that show boxes from above: around each, and from its middle to its front.

    Args:
        boxes: ``(m, >= 7)``.

    Returns:
        Points x, y of the lines ``(m, 7, 2)``: four corners, the first again, the middle of the
        front edge (between the last corner and the first), the middle of the box.

    Example:
        >>> outlines(np.array([[1, 2, 0, 4, 2, 1, 0.0]]))[0, :4].tolist()
        [[3.0, 3.0], [-1.0, 3.0], [-1.0, 1.0], [3.0, 1.0]]
    """
    way = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1], [1, 1], [1, 0], [0, 0]]) / 2
    along, across = way[:, 0] * boxes[:, 3:4], way[:, 1] * boxes[:, 4:5]  # (m, 7)
    cos, sin = np.cos(boxes[:, 6:7]), np.sin(boxes[:, 6:7])
    x = boxes[:, :1] + cos * along - sin * across
    return np.stack([x, boxes[:, 1:2] + sin * along + cos * across], 2)


def count_found(truth: Boxes, found: Boxes, min_iou: float) -> tuple[int, int]:
    """Objects that are found, and boxes where there is none, seen from above.

    The box of the highest score chooses first; an object counts once and needs a box of its class.

    Args:
        truth: Known objects; those of no class excuse the boxes on them.
        found: Boxes of a detector.
        min_iou: Least overlap from above.
    """
    overlaps = rotated_iou(
        torch.as_tensor(found.boxes[:, _SEEN_FROM_ABOVE], dtype=torch.float64),
        torch.as_tensor(truth.boxes[:, _SEEN_FROM_ABOVE], dtype=torch.float64),
    ).numpy()
    excused = ((overlaps >= min_iou) & (truth.labels < 0)).any(1)
    free = np.ones(len(truth.labels), bool)
    hits = false = 0
    for i in np.argsort(-found.scores, kind='stable'):
        fits = free & (truth.labels == found.labels[i]) & (overlaps[i] >= min_iou)
        if fits.any():
            free[np.argmax(np.where(fits, overlaps[i], -1))] = False
            hits += 1
        elif not excused[i]:
            false += 1
    return hits, false


def draw_boxes(
    points: np.ndarray,
    truth: Boxes | None,
    found: Mapping[str, Boxes],
    classes: Sequence[str],
    path: str | Path,
    title: str = '',
    reach: Sequence[float] | None = None,
    min_score: float = 0.3,
    min_iou: float = 0.5,
) -> None:
    """Draw a frame from above into a file; see :func:`boxes_figure`.

    Args:
        path: File to write; its suffix gives the format.
    """
    save(boxes_figure(points, truth, found, classes, title, reach, min_score, min_iou), path)


def boxes_figure(
    points: np.ndarray,
    truth: Boxes | None,
    found: Mapping[str, Boxes],
    classes: Sequence[str],
    title: str = '',
    reach: Sequence[float] | None = None,
    min_score: float = 0.3,
    min_iou: float = 0.5,
) -> Figure:
    """Draw a frame from above, ahead is up: a panel of the objects, then one of each detector.

    Args:
        points: Coordinates ``(n, >= 2)``, meters.
        truth: Known objects; those outside of ``reach`` are left out. None: unknown, and nothing is
            counted.
        found: Name of each detector and its boxes.
        classes: L names.
        title: Line above the panels.
        reach: x, y, z from, x, y, z to; by default that of the points.
        min_score: Boxes of lower score are left out.
        min_iou: Overlap from above at which an object counts as found.

    Raises:
        UsageError: If a detector's boxes, labels and scores differ in number.
    """
    for name, of in found.items():
        sizes = [len(of.boxes), len(of.labels), 0 if of.scores is None else len(of.scores)]
        if len(set(sizes)) > 1:
            raise UsageError(
                f'{name} has {sizes[0]} boxes, {sizes[1]} labels and {sizes[2]} scores, expected '
                'as many of each'
            )
    if reach is None:
        low, high = extent(points)
        reach = [*low, 0, *high, 0]
    colors = colormaps['tab10'](np.arange(len(classes)) % 10)
    shape = (reach[3] - reach[0]) / max(reach[4] - reach[1], 1e-6)
    columns = (truth is not None) + len(found)
    size = (_PANEL * columns, _PANEL * np.clip(shape, 0.3, 2.5) + 1.2)
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)  # draws without a display, whatever backend is set
    axes = figure.subplots(1, columns, squeeze=False)[0]
    inside = ((points[:, :2] >= reach[:2]) & (points[:, :2] <= reach[3:5])).all(1)
    dot = np.clip(20000 / max(inside.sum(), 1), 0.2, 3)
    for axis in axes:
        axis.scatter(-points[inside, 1], points[inside, 0], s=dot, color=_POINT, linewidths=0,
                     rasterized=True)  # fmt: skip
        axis.set(xlim=(-reach[4], -reach[1]), ylim=(reach[0], reach[3]), aspect='equal')
        axis.set(xticks=[], yticks=[])
    handles = [Line2D([], [], color=color, label=name) for color, name in zip(colors, classes)]
    if truth is not None:
        truth = _known(truth, reach, len(classes))
        known = truth.labels >= 0
        _draw(axes[0], truth.boxes[known], colors[truth.labels[known]], 1.6)
        axes[0].set_title(f'ground truth\n{known.sum()} objects', fontsize=11)
        handles.append(Line2D([], [], color=_TRUTH, lw=0.7, label='ground truth'))
    for axis, (name, of) in zip(axes[columns - len(found) :], found.items()):
        kept = of.scores >= min_score
        of = Boxes(of.boxes[kept], of.labels[kept], of.scores[kept])
        counted = f'{kept.sum()} boxes'
        if truth is not None:
            _draw(axis, truth.boxes[known], [_TRUTH] * int(known.sum()), 0.7)
            hits, false = count_found(truth, of, min_iou)
            counted = f'found {hits} of {known.sum()}, {false} false'
        _draw(axis, of.boxes, colors[of.labels], 1.6)
        axis.set_title(f'{name}\n{counted}', fontsize=11)
    figure.legend(
        handles=handles, loc='outside lower center', ncols=min(len(handles), 2 * columns),
        frameon=False, fontsize=10,
    )  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def _known(truth: Boxes, reach: Sequence[float], classes: int) -> Boxes:
    """Objects within reach; those of no class get label -1."""
    middle = truth.boxes[:, :2]
    shown = ((middle >= reach[:2]) & (middle <= reach[3:5])).all(1)
    labels = truth.labels[shown]
    return Boxes(truth.boxes[shown], np.where((labels >= 0) & (labels < classes), labels, -1))


def _draw(axis: Axes, boxes: np.ndarray, colors: Sequence, width: float) -> None:
    lines = outlines(boxes)[..., ::-1] * (-1, 1)  # the x axis is up
    axis.add_collection(LineCollection(lines, colors=colors, linewidths=width))
