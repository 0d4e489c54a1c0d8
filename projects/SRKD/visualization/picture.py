"""One picture of a scene: what several networks see, and where they err.

Shape letters: n points of the scene, L classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..base import UsageError
from .colors import RIGHT, UNLABELED, WRONG

_PANEL, _LEGEND = 3.6, 2.9  # inches: width of a panel, least height of a row
_SEEN = 0.002  # share of the points on each side that may lie outside of the picture


def scene_miou(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> float:
    """Mean IoU over the classes that occur in the truth or the prediction of labeled points.

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
    labeled = (truth >= 0) & (truth < num_classes)
    pairs = truth[labeled].astype(np.int64) * num_classes + prediction[labeled]
    counts = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    hit = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hit
    return float((hit[union > 0] / union[union > 0]).mean()) if union.any() else float('nan')


def draw_scene(
    points: np.ndarray,
    truth: np.ndarray | None,
    predictions: Mapping[str, np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    path: str | Path,
    title: str = '',
    ceiling: float | None = None,
) -> None:
    """Draw a scene from above into a file; see :func:`scene_figure`.

    Args:
        path: File to write; its suffix gives the format.
    """
    figure = scene_figure(points, truth, predictions, classes, palette, title, ceiling)
    save(figure, path)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; its folder need not exist."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def as_image(figure: Figure) -> np.ndarray:
    """Pixels of a figure, ``(height, width, 3)`` uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper x, y of a picture, ``(2,)`` each; a few far points do not shrink the rest."""
    low, high = np.quantile(points[:, :2], (_SEEN, 1 - _SEEN), axis=0)
    margin = 0.05 * (high - low) + 1e-3
    return np.maximum(low - margin, points[:, :2].min(0)), np.minimum(
        high + margin, points[:, :2].max(0)
    )


def scene_figure(
    points: np.ndarray,
    truth: np.ndarray | None,
    predictions: Mapping[str, np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    title: str = '',
    ceiling: float | None = None,
) -> Figure:
    """Draw a scene from above: classes in the upper row, errors in the lower.

    Args:
        points: Coordinates ``(n, 3)``, meters.
        truth: Class of every point ``(n,)``; outside ``[0, L)`` means no label. None: unknown, and
            no errors are shown.
        predictions: Name of each network and its classes ``(n,)``.
        classes: L names.
        palette: L colors, 0 to 255.
        title: Line above the panels.
        ceiling: Leave out points higher than this above the lowest one, meters.

    Raises:
        UsageError: If a prediction has another length than the points.
    """
    known = {} if truth is None else {'truth': truth}
    for name, labels in {**known, **predictions}.items():
        if len(labels) != len(points):
            raise UsageError(f'{name} has {len(labels)} labels for {len(points)} points')
    judged = bool(known and predictions)
    if judged:
        scores = {k: scene_miou(truth, v, len(classes)) for k, v in predictions.items()}
    height = points[:, 2] - points[:, 2].min()
    kept = np.flatnonzero(height < (np.inf if ceiling is None else ceiling))
    order = kept[np.argsort(points[kept, 2], kind='stable')]  # high points cover low ones
    x, y = points[order, 0], points[order, 1]
    predictions = {name: labels[order] for name, labels in predictions.items()}
    colors = np.vstack([np.asarray(palette, float)[: len(classes)] / 255, UNLABELED])

    low, high = extent(points[order])
    columns = len(known) + len(predictions)
    shape = np.clip((high - low)[1] / max((high - low)[0], 1e-6), 0.5, 1.6)
    height = (1 + judged) * max(_PANEL * shape + 0.6, _LEGEND)
    figure = Figure(figsize=(_PANEL * columns, height), layout='constrained')
    FigureCanvasAgg(figure)  # draws without a display, whatever backend is set
    axes = figure.subplots(1 + judged, columns, squeeze=False)
    dot = np.clip(60000 / max(len(order), 1), 0.3, 20)

    def scatter(axis, color, label):
        axis.scatter(x, y, s=dot, c=color, linewidths=0, rasterized=True)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect='equal')
        axis.set_axis_off()
        axis.set_title(label, fontsize=11)

    shown = set(np.concatenate([*predictions.values()]).tolist()) if predictions else set()
    if known:
        truth = truth[order]
        labeled = (truth >= 0) & (truth < len(classes))
        shown |= set(truth[labeled].tolist())
        scatter(axes[0, 0], colors[np.where(labeled, truth, len(classes))], 'ground truth')
    for column, (name, labels) in enumerate(predictions.items(), len(known)):
        score = f'\nmIoU of this scan {100 * scores[name]:.1f} %' if judged else ''
        scatter(axes[0, column], colors[labels], f'{name}{score}')
        if judged:
            wrong = labeled & (labels != truth)
            share = wrong.sum() / max(labeled.sum(), 1)
            error = np.where(wrong[:, None], WRONG, np.where(labeled[:, None], RIGHT, 1.0))
            scatter(axes[1, column], error, f'wrong: {100 * share:.1f} % of these points')
    handles = [_dot(colors[i], classes[i]) for i in sorted(shown)]
    if known and not labeled.all():
        handles.append(_dot(UNLABELED, 'no label'))
    if judged:
        axes[1, 0].set_axis_off()
        handles.append(_dot(RIGHT, 'right'))
        if any((labeled & (labels != truth)).any() for labels in predictions.values()):
            handles.append(_dot(WRONG, 'wrong'))
        axes[1, 0].legend(handles=handles, loc='center', ncols=2, frameon=False, fontsize=9)
    else:
        figure.legend(
            handles=handles, loc='outside lower center', ncols=3, frameon=False, fontsize=9
        )
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def _dot(color: Sequence[float], label: str) -> Line2D:
    return Line2D([], [], ls='', marker='o', color=color, label=label)
