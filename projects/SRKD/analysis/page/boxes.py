"""Boxes from above: what is there, and what each detector finds.

Shape letters: n points, m boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...visualization.colors import OKABE_ITO
from ...visualization.detection_picture import Boxes, count_found, outlines
from ...visualization.picture import extent
from .html import Section, chart, missing, paragraph, text
from .seen import Scan, Seen

POINTS = 4_000  # shown of a frame, as dots of an SVG
MIN_SCORE, MIN_IOU = 0.3, 0.5
_DOTS, _TRUTH = '#b8bdc4', '#262626'
_DASHES = ('solid', 'dash', 'dot', 'dashdot')


def boxes(seen: Seen) -> Section:
    """A chart for each detector and frame; ahead is up."""
    if not seen.scans:
        command = 'python tools/analysis_tools/report.py WORK_DIR... --scans 3'
        return Section('boxes', 'Boxes from above', missing(seen.lacking, command))
    if seen.palette is not None:
        told = paragraph('These networks label points: see above. Boxes are for detectors.')
        return Section('boxes', 'Boxes from above', told)
    body = (
        f'<p>Ahead is up. Boxes of a score of at least {MIN_SCORE}; an object is found by a box of '
        f'its class that overlaps it by {MIN_IOU} from above. A click on an entry of the legend '
        'hides it.</p>'
    )
    for scan in seen.scans:
        charts = ''.join(_chart(scan, name, seen) for name in scan.found)
        body += f'<h3>{text(scan.name)}</h3><div class="grid">{charts}</div>'
    return Section('boxes', 'Boxes from above', body)


def _chart(scan: Scan, name: str, seen: Seen) -> str:
    low, high = extent(scan.points)
    if seen.reach is not None:
        low, high = np.array(seen.reach[:2]), np.array(seen.reach[3:5])
    inside = ((scan.points[:, :2] >= low) & (scan.points[:, :2] <= high)).all(1)
    points = scan.points[inside]
    kept = np.sort(np.random.default_rng(0).permutation(len(points))[:POINTS])
    found = scan.found[name]
    strong = found.scores >= MIN_SCORE
    found = Boxes(found.boxes[strong], found.labels[strong], found.scores[strong])
    traces = [
        dict(type='scatter', mode='markers', name='points', hoverinfo='skip',
             x=(-points[kept, 1]).round(2), y=points[kept, 0].round(2),
             marker=dict(size=2, color=_DOTS))
    ]  # fmt: skip
    title = f'{name}: {len(found.boxes)} boxes'
    if scan.truth is not None:
        middle = scan.truth.boxes[:, :2]
        near = ((middle >= low) & (middle <= high)).all(1)
        truth = Boxes(scan.truth.boxes[near], scan.truth.labels[near])
        known = (truth.labels >= 0) & (truth.labels < len(seen.classes))
        truth = Boxes(truth.boxes, np.where(known, truth.labels, -1))
        hits, false = count_found(truth, found, MIN_IOU)
        title = f'{name}: found {hits} of {known.sum()}, {false} false'
        traces.append(_lines('truth', truth.boxes[known], _TRUTH, 'solid', 1))
    for number, kind in enumerate(seen.classes):
        of = found.labels == number
        look = OKABE_ITO[number % 6], _DASHES[number // 6 % len(_DASHES)]
        if of.any():
            traces.append(_lines(kind, found.boxes[of], *look, 2.5, found.scores[of]))
    layout = dict(
        xaxis=dict(range=[-high[1], -low[1]], constrain='domain', showgrid=False, zeroline=False),
        yaxis=dict(range=[low[0], high[0]], scaleanchor='x', showgrid=False, zeroline=False),
        height=460,
    )
    return chart(title, traces, layout, f'{scan.name}, {title}')


def _lines(
    name: str,
    found: np.ndarray,
    color: str,
    dash: str,
    width: float,
    scores: Sequence[float] | None = None,
) -> dict:
    """All boxes of a kind as one line with gaps."""
    lines = outlines(found)[..., ::-1] * (-1, 1)  # (m, 7, 2), the x axis is up
    gap = np.full((len(lines), 1, 2), np.nan)
    way = np.concatenate([lines, gap], 1).reshape(-1, 2).round(3)
    of = [''] * len(lines) if scores is None else [f'{name} {score:.2f}' for score in scores]
    return dict(type='scatter', mode='lines', name=name, x=way[:, 0], y=way[:, 1],
                text=[each for each in of for _ in range(8)], hoverinfo='text',
                line=dict(color=color, dash=dash, width=width))  # fmt: skip
