"""3D views: what is true, what each network sees, and where it errs.

Shape letters: n points of a scan.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

from ...visualization.colors import RIGHT, UNLABELED, WRONG
from ...visualization.picture import scene_figure, scene_miou
from .html import Section, block, missing, packed, paragraph, picture
from .seen import Scan, Seen

POINTS = 20_000  # shown of a scan; each costs 8 bytes, and 1.4 for each panel
CEILING = 2.2  # meters above the lowest point of a room; what is higher hides it from above
_STEPS = 65_535  # of a coordinate


def clouds(seen: Seen, ceiling: float | None = None) -> Section:
    """Views from above as pictures, which print, and 3D views that turn together.

    Args:
        seen: What networks said.
        ceiling: Leave out points higher than this above the lowest one, meters.
    """
    if not seen.scans:
        command = 'python tools/analysis_tools/report.py WORK_DIR... --scans 3'
        return Section('clouds', '3D views', missing(seen.lacking, command))
    if seen.palette is None:
        return Section('clouds', '3D views', paragraph('These networks find boxes: see below.'))
    views = [_view(scan, len(seen.classes), ceiling) for scan in seen.scans]
    hexes = [_hex(np.asarray(color) / 255) for color in seen.palette[: len(seen.classes)]]
    looks = dict(
        classes=dict(names=[*seen.classes, 'no label'], colors=[*hexes, _hex(UNLABELED)]),
        errors=dict(names=['right', 'wrong', 'no label'],
                    colors=[_hex(RIGHT), _hex(WRONG), _hex(UNLABELED)]),
    )  # fmt: skip
    body = ''.join(_from_above(scan, seen, ceiling) for scan in seen.scans[:1])
    body += paragraph(
        f'Drag to turn: all views turn together. At most {POINTS:,} points of a scan are shown.'
    )
    body += block('clouds', '3D views of scans', dict(scans=views, looks=looks))
    return Section('clouds', '3D views', body)


def _view(scan: Scan, classes: int, ceiling: float | None) -> dict:
    kept = thinned(scan.points, ceiling)
    panels = []
    if scan.truth is not None:
        panels.append(_panel('truth', 'classes', _classes(scan.truth[kept], classes)))
    for name, labels in scan.found.items():
        score = ''
        if scan.truth is not None:
            score = f', mIoU of this scan {100 * scene_miou(scan.truth, labels, classes):.1f} %'
        panels.append(_panel(f'{name}{score}', 'classes', _classes(labels[kept], classes)))
    for name, labels in scan.found.items() if scan.truth is not None else ():
        wrong = errors(scan.truth, labels, classes)
        share = (wrong == 1).sum() / max((wrong < 2).sum(), 1)
        panels.append(_panel(f'{name}: {100 * share:.1f} % wrong', 'errors', wrong[kept]))
    return dict(name=scan.name, size=2.5, axes=[_axis(scan.points[kept, i]) for i in range(3)],
                panels=panels)  # fmt: skip


def thinned(points: np.ndarray, ceiling: float | None = None, most: int = POINTS) -> np.ndarray:
    """Which points are shown: an even draw, always the same, in the order of the scan.

    Args:
        points: Coordinates ``(n, 3)``, meters.
        ceiling: See :func:`clouds`.
        most: Number of points.
    """
    height = points[:, 2] - points[:, 2].min(initial=np.inf)
    kept = np.flatnonzero(height < (np.inf if ceiling is None else ceiling))
    if len(kept) <= most:
        return kept
    return np.sort(np.random.default_rng(0).choice(kept, most, replace=False))


def errors(truth: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """0 where a point is right, 1 where wrong, 2 where it has no label.

    Example:
        >>> errors(np.array([0, 1, 9]), np.array([0, 0, 0]), 2).tolist()
        [0, 1, 2]
    """
    known = (truth >= 0) & (truth < classes)
    return np.where(known, (truth != labels).astype(np.uint8), np.uint8(2))


def _classes(labels: np.ndarray, classes: int) -> np.ndarray:
    known = (labels >= 0) & (labels < classes)
    return np.where(known, labels, classes)


def _panel(title: str, look: str, values: np.ndarray) -> Mapping:
    return dict(title=title, look=look, packed=packed(values.astype(np.uint8)))


def _axis(values: np.ndarray) -> Mapping:
    """Coordinates in 65,536 steps: below a millimeter in a room."""
    low, high = (float(of(values)) for of in (np.min, np.max)) if len(values) else (0.0, 0.0)
    step = (high - low) / _STEPS or 1.0
    return dict(least=low, step=step, packed=packed(((values - low) / step).round().astype('<u2')))


def _hex(color: Sequence[float]) -> str:
    return '#' + ''.join(f'{round(255 * float(part)):02x}' for part in color[:3])


def _from_above(scan: Scan, seen: Seen, ceiling: float | None) -> str:
    figure = scene_figure(
        scan.points, scan.truth, scan.found, seen.classes, seen.palette, scan.name, ceiling
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    return picture(f'{scan.name} from above: truth, networks, errors', buffer.getvalue())
