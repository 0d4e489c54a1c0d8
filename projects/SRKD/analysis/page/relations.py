"""Affinity maps: how far apart two networks put the same pairs of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .html import Section, chart, missing, paragraph, text
from .networks import Network
from .seen import Affinities, Seen

# White in the middle, blue and orange-red at the ends: told apart by every eye.
_DIFFERENCE = [[0, '#0072B2'], [0.5, '#ffffff'], [1, '#D55E00']]


def relations(seen: Seen, networks: Sequence[Network]) -> Section:
    """The matrix of every network, and its difference from the teacher's."""
    command = 'python tools/analysis_tools/report.py WORK_DIR... --scans 1'
    found = seen.affinities
    if seen.scans and seen.palette is None:
        told = paragraph(
            'These networks find boxes: affinity maps are for those that label points.'
        )
        return Section('relations', 'Affinity maps', told)
    if found is None:
        what = seen.lacking or 'affinity maps: the first scan has no labels'
        return Section('relations', 'Affinity maps', missing(what, command))
    teacher = next((one.name for one in networks if one.role == 'teacher'), None)
    teacher = teacher if teacher in found.matrices else None
    maps = ''
    for name, matrix in found.matrices.items():
        maps += _map(name, matrix, found, seen.classes)
    body = (
        f'<p>Squared distance of the features of each pair of {len(found.labels)} points of the '
        f'first scan, in order of their classes; features of {text(found.tap)}, scaled to length '
        'one, so 0 to 4. What a network takes for one thing is a dark block.</p>'
        f'<div class="grid">{maps}</div>'
    )
    if teacher is None:
        body += missing('differences: no teacher with weights among the work dirs', command)
        return Section('relations', 'Affinity maps', body)
    differences = ''
    for name, matrix in found.matrices.items():
        if name != teacher:
            gap = matrix - found.matrices[teacher]
            title = f'{name} minus teacher, mean square {np.square(gap).mean():.3f}'
            differences += _map(title, gap, found, seen.classes, _DIFFERENCE, 4.0)
    body += f'<div class="grid">{differences}</div>'
    return Section('relations', 'Affinity maps', body)


def _map(
    title: str,
    matrix: np.ndarray,
    found: Affinities,
    classes: Sequence[str],
    scale: object = 'Cividis',
    signed: float | None = None,
) -> str:
    starts = np.flatnonzero(np.diff(found.labels, prepend=-1))
    axis = dict(tickvals=starts, ticktext=[classes[i] for i in found.labels[starts]],
                tickfont=dict(size=10), constrain='domain')  # fmt: skip
    trace = dict(type='heatmap', z=matrix.round(3), colorscale=scale, hoverinfo='z',
                 zmin=-signed if signed else 0, zmax=signed or 4)  # fmt: skip
    layout = dict(
        xaxis=axis | dict(tickangle=-60),
        yaxis=axis | dict(scaleanchor='x', autorange='reversed', automargin=True),
        margin=dict(l=70, r=12, t=12, b=80),
        height=400,
    )
    return chart(title, [trace], layout, f'affinity map, {title}')
