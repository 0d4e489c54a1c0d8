"""Tables of results, for terminals, Markdown files and READMEs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean


@dataclass(frozen=True)
class Row:
    """One network of a comparison.

    Attributes:
        name: What it is.
        scores: Titles and values in percent; several share a column.
        parameters: Number of parameters.
        ratio: Teacher's parameters over this network's.
        flops: Operations per scene.
        ms: Milliseconds per scene (median).
    """

    name: str
    scores: Mapping[str, Sequence[float]]
    parameters: int
    ratio: float
    flops: float
    ms: float


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align a Markdown table so that it reads well as plain text.

    The first column is flush left, all others flush right.

    Example:
        >>> print(markdown_table(['a', 'b'], [['x', '1.00']]))
        | a |    b |
        |:--|-----:|
        | x | 1.00 |
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return '| ' + ' | '.join(cells) + ' |'

    marks = [':' + '-' * (widths[0] + 1)] + ['-' * (width + 1) + ':' for width in widths[1:]]
    return '\n'.join([line(table[0]), '|' + '|'.join(marks) + '|', *map(line, table[1:])])


def comparison_table(rows: Sequence[Row]) -> str:
    """Table of networks with the same scores: in percent, parameters in millions."""
    header = ['network', *rows[0].scores, 'params (M)', 'ratio', 'GFLOPs', 'ms/scene']
    return markdown_table(
        header,
        [
            [
                row.name,
                *(' / '.join(f'{value:.2f}' for value in of) for of in row.scores.values()),
                f'{row.parameters / 1e6:.3f}',
                f'{row.ratio:.2f}x',
                f'{row.flops / 1e9:.2f}',
                f'{row.ms:.0f}',
            ]
            for row in rows
        ],
    )


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, sample standard deviation and extremes; the deviation of one value is NaN.

    Example:
        >>> spread([1.0, 3.0])
        {'mean': 2.0, 'std': 1.4142135623730951, 'min': 1.0, 'max': 3.0}
    """
    mean, degrees = fmean(values), len(values) - 1
    std = sqrt(sum((value - mean) ** 2 for value in values) / degrees) if degrees else float('nan')
    return dict(mean=mean, std=std, min=min(values), max=max(values))
