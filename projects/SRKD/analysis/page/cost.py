"""What each network costs, against what it scores."""

from __future__ import annotations

from collections.abc import Sequence

from ...visualization.colors import OKABE_ITO
from ..complexity import COUNTING
from .html import Section, chart, missing, paragraph, table
from .networks import Network, headline_score
from .seen import Seen


def cost(seen: Seen, networks: Sequence[Network]) -> Section:
    """A table of parameters, operations and time, and a chart where there are scores."""
    if not seen.costs:
        what = seen.lacking or 'costs: no network was run'
        command = 'python tools/analysis_tools/complexity.py CONFIG [TEACHER_CONFIG]'
        return Section('cost', 'Cost against accuracy', missing(what, command))
    name = headline_score(networks)
    shown = [one for one in networks if one.name in seen.costs]
    largest = max(seen.costs[one.name].parameters for one in shown)
    rows, traces = [], []
    for number, one in enumerate(shown):
        of = seen.costs[one.name]
        score = one.scores.get(name)
        operations = sum(of.flops.values()) / 1e9
        rows.append([one.name, '' if score is None else f'{score:.4f}',
                     f'{of.parameters:,}', f'{operations:.2f}', f'{of.ms[1]:.1f}'])  # fmt: skip
        if score is not None:
            traces.append(
                dict(type='scatter', mode='markers', name=one.name, x=[operations], y=[score],
                     marker=dict(symbol=number % 8, color=OKABE_ITO[number % len(OKABE_ITO)],
                                 opacity=0.8,
                                 size=max(40 * (of.parameters / largest) ** 0.5, 6)))
            )  # fmt: skip
    title = name.rpartition('/')[2] if name else 'score'
    body = ''
    if traces:
        layout = dict(
            xaxis=dict(title=dict(text='GFLOPs per scan')),
            yaxis=dict(title=dict(text=title), automargin=True),
            legend=dict(orientation='h', y=-0.3, itemsizing='constant'),
            showlegend=True,
        )
        told = f'{title} against operations; the area is the number of parameters'
        body = chart(told, traces, layout)
    body += table(['network', title, 'parameters', 'GFLOPs/scan', 'ms/scan'], rows)
    note = f'Operations and median time on one scan, on the machine that wrote this. {COUNTING}.'
    body += paragraph(note)
    body += ''.join(paragraph(f'Left out: {reason}') for reason in seen.left_out)
    return Section('cost', 'Cost against accuracy', body)
