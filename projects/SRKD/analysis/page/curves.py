"""Curves of a training: every loss with its weight, gradients, and scores of validations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...compat.mmengine_save_best import main_score
from ...visualization.colors import OKABE_ITO
from .html import Section, chart, folded, missing, table, text
from .work_dir import Run

_DASHES = ('solid', 'dash', 'dot', 'dashdot', 'longdash')
_GRADIENT = '_grad_norm'
_LOG = 'default_hooks.gradients.type=GradientLogHook'
_TABLE_ROWS = 400  # of the logged numbers, per run


def curves(runs: Sequence[Run]) -> Section:
    """Charts of every training that has logged a step."""
    body = ''
    for run in runs:
        if run.steps:
            body += f'<h3>{text(run.folder.name)}</h3>{_losses(run)}{_gradients(run)}'
            body += _validations(run) + _numbers(run)
    if not body:
        body = missing(
            'the log of a training, with at least one logged step',
            'python tools/train.py CONFIG && python tools/analysis_tools/report.py work_dirs/NAME',
        )
    return Section('curves', 'Losses and gradients', body)


def loss_names(run: Run) -> list[str]:
    """Names of all losses that were logged, the total first."""
    names = {name for one in run.steps for name in one if 'loss' in name and 'grad' not in name}
    return sorted(names, key=lambda name: (name != 'loss', name))


def weight_of(run: Run, loss: str) -> str:
    """Weight with which a loss enters the total, as the config says; a balance logs its own.

    Args:
        run: The training.
        loss: Name in the log.
    """
    term = loss.removeprefix('loss_')
    if f'{term}_weight' in run.steps[-1]:
        return f'{run.steps[-1][f"{term}_weight"]:.4g} at the end, balanced'
    terms = run.config.model.get('terms') or {}
    if terms.get(term):
        return f'{terms[term]["loss"].get("loss_weight", 1.0):g}'
    student = run.config.model.get('student', run.config.model)
    for name, value in _dicts(student):
        if loss in (name, value.get('loss_name')) or (
            loss == 'loss_sem_seg' and name == 'loss_decode'  # what mmdet3d's heads call it
        ):
            return f'{value.get("loss_weight", 1.0):g}'
    return ''


def _dicts(config: Any) -> Iterator[tuple[str, Mapping]]:
    pairs = config.items() if isinstance(config, Mapping) else enumerate(config)
    for name, value in pairs:
        if isinstance(value, Mapping):
            yield str(name), value
        if isinstance(value, (Mapping, list, tuple)):
            yield from _dicts(value)


def _losses(run: Run) -> str:
    names = loss_names(run)
    traces = _traces(run.steps, names, lambda name: _with_weight(run, name))
    note = '' if run.distills else (
        '<p>No term of a teacher: the student learns alone, or it is a teacher itself.</p>'
    )  # fmt: skip
    title = f'losses of {run.folder.name}, as they enter the total'
    return chart(title, traces, _layout('step', 'loss', log=True)) + note


def _with_weight(run: Run, name: str) -> str:
    weight = weight_of(run, name)
    return f'{name} (weight {weight})' if weight else name


def _gradients(run: Run) -> str:
    names = sorted({name for one in run.steps for name in one if name.endswith(_GRADIENT)})
    if not names and not run.distills:
        return ''
    if not names:
        return missing(
            'gradient norm of each term: it was not logged',
            f'python tools/train.py {run.folder / run.name}.py --cfg-options {_LOG}',
        )
    traces = _traces(run.steps, names, lambda name: name.removesuffix(_GRADIENT))
    title = f'gradient norm of each term in the student, {run.folder.name}'
    return chart(title, traces, _layout('step', 'norm', log=True))


def _validations(run: Run) -> str:
    name = main_score(run.validations[-1]) if run.validations else None
    if name is None:
        return missing(
            f'scores over time: {run.folder.name} has not been validated',
            f'python tools/train.py {run.folder / run.name}.py --cfg-options '
            'train_cfg.val_begin=1 train_cfg.val_interval=1',
        )
    traces = _traces(run.validations, [name], str)
    layout = _layout(run.planned[1], name.rpartition('/')[2])
    return chart(f'main score of the validations of {run.folder.name}', traces, layout)


def _traces(entries: Sequence[Mapping], names: Sequence[str], title) -> list[dict]:
    traces = []
    for number, name in enumerate(names):
        known = [(one['step'], one[name]) for one in entries if name in one]
        traces.append(
            dict(
                type='scatter',
                mode='lines+markers' if len(known) < 40 else 'lines',
                name=title(name),
                x=[step for step, _ in known],
                y=[value for _, value in known],
                line=dict(
                    color=OKABE_ITO[number % len(OKABE_ITO)],
                    dash=_DASHES[number % len(_DASHES)],
                ),
                marker=dict(symbol=number % 8),
            )
        )
    return traces


def _layout(x: str, y: str, log: bool = False) -> dict:
    axis = dict(title=dict(text=y), automargin=True)
    return dict(xaxis=dict(title=dict(text=x)), yaxis=axis | (dict(type='log') if log else {}))


def _numbers(run: Run) -> str:
    names = ['step', *loss_names(run)]
    kept = run.steps[:: -(-len(run.steps) // _TABLE_ROWS)]
    rows = [[f'{one[name]:.6g}' if name in one else '' for name in names] for one in kept]
    return folded(f'numbers of {run.folder.name}', table(names, rows))
