"""What a comparison found, as tables of text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..report import markdown_table
from .places import ROOM


def told(found: Mapping[str, Any], classes: Sequence[str]) -> str:
    """Every table of :meth:`projects.SRKD.analysis.agreement.comparison.Comparison.result`.

    Args:
        found: The result.
        classes: Names.
    """
    names = list(found['iou'])
    rows = [[kind, *(_percent(found['iou'][name][i]) for name in names)]
            for i, kind in enumerate(classes)]  # fmt: skip
    rows.append(['mean', *(_percent(found['miou'][name]) for name in names)])
    ece = [_percent(found['reliability'][name]['ece']) for name in names]
    rows.append(['calibration error', *ece])
    where = 'm from the middle' if found['kind'] == ROOM else 'm from the sensor'
    crowd = f'points in {found["cube"]:g} m'
    tables = [
        markdown_table(['IoU, percent', *names], rows),
        _rights(found['rights']),
        _places(where, found['by_distance'], names),
        _places(crowd, found['by_crowd'], names),
        _reliability(found['reliability'], names),
        _likeness(found),
    ]
    return '\n\n'.join(tables)


def _rights(rights: Mapping[str, Mapping[str, int]]) -> str:
    rows = []
    for other, cells in rights.items():
        total = max(sum(cells.values()), 1)
        shares = {key: _percent(value / total) for key, value in cells.items()}
        rows.append([f'distilled beside {other}', shares['both'], shares['gained'],
                     shares['lost'], shares['neither']])  # fmt: skip
    header = ['points, percent', 'both right', 'gained', 'lost', 'neither']
    return markdown_table(header, rows)


def _places(title: str, by: Mapping[str, Sequence[Mapping]], names: Sequence[str]) -> str:
    bins = [by[name] for name in names]
    rows = []
    for number, of in enumerate(bins[0]):
        last = number + 1 == len(bins[0])
        span = f'{of["least"]:g} ..' + ('' if last else f' {bins[0][number + 1]["least"]:g}')
        rows.append([span, f'{of["points"]:,}', *(_percent(each[number]['accuracy'])
                                                  for each in bins)])  # fmt: skip
    return markdown_table([title, 'points', *(f'{name} right' for name in names)], rows)


def _reliability(by: Mapping[str, Mapping], names: Sequence[str]) -> str:
    count = len(by[names[0]]['points'])
    rows = []
    for number in range(count):
        cells = [f'{_percent(by[name]["accuracy"][number])} of {by[name]["points"][number]:,}'
                 for name in names]  # fmt: skip
        rows.append([f'{number / count:.2f} .. {(number + 1) / count:.2f}', *cells])
    return markdown_table(['probability', *(f'{name} right' for name in names)], rows)


def _likeness(found: Mapping[str, Any]) -> str:
    students = list(found['cka'])
    rows = [[f'CKA, {layer}', *(f'{found["cka"][name][layer]:.3f}' for name in students)]
            for layer in found['cka'][students[0]]]  # fmt: skip
    fidelity = [found['fidelity'][name] for name in students]
    rows.append(['one class, percent', *(_percent(of['agreement']) for of in fidelity)])
    rows.append(['KL from the teacher', *(f'{of["kl"]:.4f}' for of in fidelity)])
    return markdown_table(['beside the teacher', *students], rows)


def _percent(share: float) -> str:
    return '-' if math.isnan(share) else f'{100 * share:.2f}'
