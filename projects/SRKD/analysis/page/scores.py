"""Scores of all networks, class by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .html import Section, folded, missing, paragraph, table
from .networks import Network, headline_score

_COMMAND = (
    'python tools/test.py CONFIG CHECKPOINT --work-dir work_dirs/test_NAME && '
    'python tools/analysis_tools/report.py WORK_DIR... work_dirs/test_NAME'
)
_MEANS = ('miou', 'acc', 'acc_cls', 'voxel_miou', 'miou_labeled')
_NO_SCORES = ('time', 'data_time', 'step', 'tta_views')
_FEW = '_AP40_moderate'  # of the hundred that KITTI's metric logs


def scores(networks: Sequence[Network]) -> Section:
    """A column for each network that was tested, a row for each class, the means last."""
    tested = [one for one in networks if one.scores]
    if not tested:
        body = missing('scores: no network has been tested or validated', _COMMAND)
        return Section('scores', 'Scores', body)
    names = _in_order(tested)
    if headline_score(tested) == 'miou':
        body = table(['IoU, percent', *(one.name for one in tested)], _rows(tested, names, 100))
    else:
        few = [name for name in names if _FEW in name and not name.endswith('_loose')]
        body = table(['score', *(one.name for one in tested)], _rows(tested, few or names, 1))
        if few:
            everything = table(['score', *(one.name for one in tested)], _rows(tested, names, 1))
            body += folded('all scores', everything)
    body += ''.join(paragraph(f'{one.name}: {one.scored}') for one in tested)
    for one in networks:
        if not one.scores:
            body += missing(f'scores of {one.name}: it was not tested', _COMMAND)
    return Section('scores', 'Scores', body)


def _in_order(networks: Sequence[Network]) -> list[str]:
    """Names of all scores, as they were logged; those of no class come last."""
    names = list(dict.fromkeys(name for one in networks for name in one.scores))
    names = [name for name in names if name not in _NO_SCORES]
    return sorted(names, key=lambda name: name in _MEANS)


def _rows(networks: Sequence[Network], names: Sequence[str], scale: float) -> list[list[str]]:
    return [
        [name.rpartition('/')[2],
         *(_cell(one.scores.get(name), scale) for one in networks)]
        for name in names
    ]  # fmt: skip


def _cell(value: float | None, scale: float) -> str:
    """Empty where a class does not occur, or was not scored."""
    return '' if value is None or math.isnan(value) else f'{scale * value:.2f}'
