"""Figures of a study, as SVG files that are the same whenever the numbers are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from projects.SRKD.base import write_whole
from projects.SRKD.visualization.colors import OKABE_ITO
from studies.paired import PairedDifference
from studies.plan import Figure

_MARKERS = 'osD^vPX'


def draw_differences(rows: Sequence[tuple[str, PairedDifference]], unit: str, out: Path) -> None:
    """Draw every pair as a dot, the mean as a bar and the BCa interval as a line.

    Args:
        rows: Title and differences of every comparison, from top to bottom.
        unit: Below the axis.
        out: SVG file.
    """
    figure = Canvas(figsize=(8, 0.9 + 0.45 * len(rows)), layout='constrained')
    axes = figure.subplots()
    axes.axvline(0, color='0.6', linewidth=1)
    for place, (_, found) in enumerate(rows):
        color = OKABE_ITO[0]
        axes.plot(found.gains, [place] * found.pairs, 'o', color=color, alpha=0.35, markersize=4)
        axes.plot(found.bca, [place, place], '-', color=color, linewidth=2)
        axes.plot([found.mean], [place], '|', color=color, markersize=14, markeredgewidth=2.5)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(unit)
    _save(figure, out)


def draw_curves(
    about: Figure, curves: Mapping[str, Mapping[float, Sequence[float]]], unit: str, out: Path
) -> None:
    """Draw means over an axis, every run as a dot.

    Args:
        about: Title and axis.
        curves: By label: place on the axis and the scores there.
        unit: Beside the axis.
        out: SVG file.
    """
    figure = Canvas(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    places = sorted({place for curve in curves.values() for place in curve})
    for number, (label, curve) in enumerate(curves.items()):
        color, marker = OKABE_ITO[number % len(OKABE_ITO)], _MARKERS[number % len(_MARKERS)]
        ordered = sorted(curve.items())
        means = [sum(scores) / len(scores) for _, scores in ordered]
        axes.plot([x for x, _ in ordered], means, marker=marker, color=color, label=label)
        for x, scores in ordered:
            axes.plot([x] * len(scores), scores, '.', color=color, alpha=0.4, markersize=4)
    if about.log:
        axes.set_xscale('log')
        axes.minorticks_off()
    axes.set_xticks(places, [f'{place:g}' for place in places])
    axes.set_xlabel(about.x)
    axes.set_ylabel(unit)
    axes.set_title(about.title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, out)


def _save(figure: Canvas, out: Path) -> None:
    FigureCanvasSVG(figure)
    out.parent.mkdir(parents=True, exist_ok=True)
    look = {'svg.hashsalt': out.name, 'svg.fonttype': 'none'}
    with matplotlib.rc_context(look), write_whole(out) as new:
        figure.savefig(new, format='svg', metadata={'Date': None})
