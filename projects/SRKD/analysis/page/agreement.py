"""Who is right where: what ``agreement.py`` has left in a work dir."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.json_file import read_json
from ...visualization.colors import OKABE_ITO
from .html import Section, chart, missing, table, text
from .work_dir import Run

FILE = 'agreement.json'
_KEYS = {'iou', 'rights', 'reliability', 'by_distance', 'by_crowd', 'cka', 'kind', 'cube'}
_CELLS = ('both', 'gained', 'lost', 'neither')
_WHERE = dict(room='meters from the middle of the room', street='meters from the sensor')


def agreement(runs: Sequence[Run]) -> Section:
    """Charts and a table for every work dir that has the file."""
    body = ''
    for run in runs:
        path = run.folder / FILE
        if path.is_file():
            found = read_json(path)
            lacking = sorted(_KEYS - found.keys())
            body += f'<h3>{text(run.folder.name)}</h3>'
            body += _charts(found) if not lacking else missing(
                f'{lacking[0]} in {path}: it is no file of agreement.py', _command(run)
            )  # fmt: skip
    if not body:
        taught = next((run for run in runs if run.distills), None)
        what = f'who is right where: no work dir holds {FILE}'
        body = missing(what, _command(taught))
    return Section('agreement', 'Who is right where', body)


def _command(run: Run | None) -> str:
    config, folder = (run.folder / f'{run.name}.py', run.folder) if run else ('CONFIG', 'WORK_DIR')
    weights = run.checkpoint if run and run.checkpoint else 'CHECKPOINT'
    return (
        f'python tools/analysis_tools/agreement.py {config} {weights} CHECKPOINT_ALONE --out '
        f'{folder}/{FILE}'
    )


def _charts(found: Mapping[str, Any]) -> str:
    rows = []
    for other, cells in found['rights'].items():
        total = max(sum(cells.values()), 1)
        shares = [f'{100 * cells[key] / total:.2f}' for key in _CELLS]
        rows.append([f'distilled beside {other}', *shares])
    header = ['points, percent', 'both right', 'gained', 'lost', 'neither']
    places = [
        _places(found['by_distance'], 'accuracy by distance', _WHERE[found['kind']]),
        _places(found['by_crowd'], 'accuracy by density', f'points in {found["cube"]:g} m, from'),
        _reliability(found['reliability']),
        _likeness(found['cka']),
    ]
    return table(header, rows) + f'<div class="grid">{"".join(places)}</div>'


def _line(number: int, name: str, x: Sequence, y: Sequence) -> dict:
    return dict(type='scatter', mode='lines+markers', name=name, x=list(x), y=list(y),
                line=dict(color=OKABE_ITO[number % len(OKABE_ITO)]),
                marker=dict(symbol=number % 8, size=8))  # fmt: skip


def _axes(x: str, y: str, **of_x: Any) -> dict:
    return dict(xaxis=dict(title=dict(text=x), **of_x),
                yaxis=dict(title=dict(text=y), range=[0, 1.02], automargin=True))  # fmt: skip


def _places(by: Mapping[str, Sequence[Mapping]], title: str, axis: str) -> str:
    traces = [
        _line(number, name, [f'{of["least"]:g}' for of in bins], [of['accuracy'] for of in bins])
        for number, (name, bins) in enumerate(by.items())
    ]
    return chart(title, traces, _axes(axis, 'share that is right', type='category'))


def _reliability(by: Mapping[str, Mapping]) -> str:
    traces = []
    for number, (name, of) in enumerate(by.items()):
        label = f'{name}, error {100 * of["ece"]:.2f} %'
        traces.append(_line(number, label, of['confidence'], of['accuracy']))
    traces.append(dict(type='scatter', mode='lines', name='as sure as right', x=[0, 1], y=[0, 1],
                       line=dict(color='#888', dash='dash')))  # fmt: skip
    return chart('calibration', traces, _axes('probability of the class', 'share that is right'))


def _likeness(cka: Mapping[str, Mapping[str, float]]) -> str:
    traces = [
        _line(number, name, [layer.removeprefix('backbone.') for layer in of], of.values())
        for number, (name, of) in enumerate(cka.items(), 1)
    ]
    axes = _axes('', 'CKA with the teacher', type='category', tickangle=-45, automargin=True)
    return chart('likeness of layers to the teacher', traces, axes)
