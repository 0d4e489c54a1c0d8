"""One picture of a scene: what several networks see, and where they err.

Shapes: n points of the scene, L classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..base import UsageError

_UNLABELLED = (0.85, 0.85, 0.85)
_RIGHT, _WRONG = (0.80, 0.82, 0.84), (0.84, 0.10, 0.11)
_PANEL, _LEGEND = 3.6, 2.9  # inches: width of a panel, least height of a row


def scene_miou(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> float:
    """Mean IoU over the classes that occur in the truth or the prediction of labelled points.

    Args:
        truth: Class of every point ``(n,)``; outside ``[0, num_classes)`` means no label.
        prediction: Predicted class ``(n,)``.
        num_classes: L.

    Returns:
        0 to 1; NaN for a scene without labels.

    Example:
        >>> scene_miou(np.array([0, 0, 1, 9]), np.array([0, 1, 1, 0]), 2)
        0.5
    """
    labelled = (truth >= 0) & (truth < num_classes)
    pairs = truth[labelled].astype(np.int64) * num_classes + prediction[labelled]
    counts = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    hit = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hit
    return float((hit[union > 0] / union[union > 0]).mean()) if union.any() else float('nan')


def draw_scene(
    points: np.ndarray,
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    path: str | Path,
    title: str = '',
    ceiling: float | None = None,
) -> None:
    """Draw a scene from above: classes in the upper row, errors in the lower.

    Args:
        points: Coordinates ``(n, 3)``, metres.
        truth: Class of every point ``(n,)``; outside ``[0, L)`` means no label.
        predictions: Name of each network and its classes ``(n,)``.
        classes: L names.
        palette: L colours, 0 to 255.
        path: File to write; its suffix gives the format.
        title: Line above the panels.
        ceiling: Leave out points higher than this above the lowest one, metres.

    Raises:
        UsageError: If a prediction has another length than the points.
    """
    for name, labels in {'truth': truth, **predictions}.items():
        if len(labels) != len(points):
            raise UsageError(f'{name} has {len(labels)} labels for {len(points)} points')
    scores = {k: scene_miou(truth, v, len(classes)) for k, v in predictions.items()}
    height = points[:, 2] - points[:, 2].min()
    kept = np.flatnonzero(height < (np.inf if ceiling is None else ceiling))
    order = kept[np.argsort(points[kept, 2], kind='stable')]  # high points cover low ones
    x, y = points[order, 0], points[order, 1]
    truth = truth[order]
    predictions = {name: labels[order] for name, labels in predictions.items()}
    labelled = (truth >= 0) & (truth < len(classes))
    colours = np.vstack([np.asarray(palette, float)[: len(classes)] / 255, _UNLABELLED])

    columns = 1 + len(predictions)
    shape = np.clip(np.ptp(y) / max(np.ptp(x), 1e-6), 0.5, 1.6)
    height = 2 * max(_PANEL * shape + 0.6, _LEGEND)
    figure = Figure(figsize=(_PANEL * columns, height), layout='constrained')
    FigureCanvasAgg(figure)  # draws without a display, whatever backend is set
    axes = figure.subplots(2, columns, squeeze=False)
    dot = np.clip(60000 / max(len(order), 1), 0.3, 20)

    def scatter(axis, colour, label):
        axis.scatter(x, y, s=dot, c=colour, linewidths=0, rasterized=True)
        axis.set_aspect('equal')
        axis.set_axis_off()
        axis.set_title(label, fontsize=11)

    scatter(axes[0, 0], colours[np.where(labelled, truth, len(classes))], 'ground truth')
    axes[1, 0].set_axis_off()
    for column, (name, labels) in enumerate(predictions.items(), 1):
        scatter(
            axes[0, column],
            colours[labels],
            f'{name}\nmIoU of this room {100 * scores[name]:.1f} %',
        )
        wrong = labelled & (labels != truth)
        share = wrong.sum() / max(labelled.sum(), 1)
        error = np.where(wrong[:, None], _WRONG, np.where(labelled[:, None], _RIGHT, 1.0))
        scatter(axes[1, column], error, f'wrong: {100 * share:.1f} % of these points')
    shown = sorted({*truth[labelled].tolist(), *np.concatenate([*predictions.values()]).tolist()})
    handles = [Line2D([], [], ls='', marker='o', color=colours[i], label=classes[i]) for i in shown]
    handles.append(Line2D([], [], ls='', marker='o', color=_UNLABELLED, label='no label'))
    handles.append(Line2D([], [], ls='', marker='o', color=_WRONG, label='wrong'))
    axes[1, 0].legend(handles=handles, loc='center', ncols=2, frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=12)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
