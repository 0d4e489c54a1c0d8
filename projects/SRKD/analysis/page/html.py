"""Parts of the page: text, tables, charts, and what stands where an input is missing.

Whatever comes from a file or a user passes through :func:`text`, and charts through :func:`data`:
nothing in them can become a tag.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base import UsageError

HERE = Path(__file__).parent
_LONG = 16  # characters: a number is shorter
# The page may run and show what it holds, and fetch nothing. plotly.js makes functions of text.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    'img-src data: blob:; font-src data:; worker-src blob:'
)


class Section(NamedTuple):
    """One part of the page."""

    name: str  # its anchor
    title: str
    body: str  # HTML


def text(value: Any) -> str:
    """A value as text of the page.

    Example:
        >>> text('a<b')
        'a&lt;b'
    """
    return html.escape(str(value))


def paragraph(sentence: str) -> str:
    """A sentence."""
    return f'<p>{text(sentence)}</p>'


def missing(what: str, command: str) -> str:
    """What a section lacks, and the command that makes it."""
    return f'<p><strong>Missing:</strong> {text(what)}</p><pre>{text(command)}</pre>'


def table(header: Sequence[Any], rows: Sequence[Sequence[Any]], caption: str = '') -> str:
    """A table; the first column is flush left, all others flush right."""
    head = ''.join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    body = ''
    for first, *others in rows:
        cells = ''.join(map(_cell, others))
        body += f'<tr><th scope="row">{text(first)}</th>{cells}</tr>\n'
    caption = f'<caption>{text(caption)}</caption>' if caption else ''
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f'<tbody>{body}</tbody></table></div>'
    )


def _cell(value: Any) -> str:
    """Long words may be broken, numbers not."""
    of = ' class="long"' if len(str(value)) > _LONG else ''
    return f'<td{of}>{text(value)}</td>'


def folded(title: str, body: str) -> str:
    """What few readers want, behind its title."""
    return f'<details><summary>{text(title)}</summary>{body}</details>'


def data(value: Any) -> str:
    """JSON for a script of the page; numbers that are none become null.

    Example:
        >>> data({'y': [1.0, float('nan')], 'name': '</script>'})
        '{"y": [1.0, null], "name": "<\\\\/script>"}'
    """
    return json.dumps(_plain(value), allow_nan=False).replace('</', '<\\/').replace('<!', '<\\!')


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(of) for of in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def chart(title: str, traces: Sequence[Mapping], layout: Mapping, label: str = '') -> str:
    """A chart of plotly.js, drawn by the script of the page.

    Args:
        title: Above it, as text that wraps on a narrow screen.
        traces: As plotly.js takes them.
        layout: Likewise; the script adds margins and colors.
        label: Read aloud instead of it; nothing: the title.
    """
    box = _box('chart', label or title, data(dict(data=list(traces), layout=dict(layout))))
    return f'<figure><figcaption>{text(title)}</figcaption>{box}</figure>'


def block(kind: str, label: str, content: Mapping) -> str:
    """A place that the script of the page fills from ``content``."""
    return _box(kind, label, data(content))


def _box(kind: str, label: str, content: str) -> str:
    return (
        f'<div class="{kind}" role="img" aria-label="{text(label)}">'
        f'<script type="application/json">{content}</script></div>'
    )


def picture(label: str, png: bytes) -> str:
    """A picture within the page."""
    return f'<img alt="{text(label)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def packed(values: np.ndarray) -> str:
    """Bytes of an array as text; the script unpacks them.

    Example:
        >>> packed(np.array([1, 2, 3], np.uint8))
        'AQID'
    """
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def plotly_js() -> str:
    """plotly.js as the installed package plotly carries it, about 4.6 MiB.

    Raises:
        UsageError: If the package is not there.
    """
    try:
        return import_module('plotly.offline').get_plotlyjs()
    except ImportError:
        raise UsageError(
            'the page needs plotly.js, which the package plotly carries (a part of open3d), but '
            'it is not installed: pip install plotly'
        ) from None


def document(title: str, sections: Sequence[Section]) -> str:
    """The whole page; it fetches nothing."""
    links = ' '.join(f'<a href="#{one.name}">{text(one.title)}</a>' for one in sections)
    bodies = '\n'.join(
        f'<section id="{one.name}"><h2>{text(one.title)}</h2>\n{one.body}\n</section>'
        for one in sections
    )
    style, script = ((HERE / name).read_text() for name in ('page.css', 'page.js'))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n'
        f'<h1>{text(title)}</h1>\n<nav>{links}</nav>\n<main>\n{bodies}\n</main>\n'
        f'<script>{plotly_js()}</script>\n<script>\n{script}</script>\n</body>\n</html>\n'
    )
