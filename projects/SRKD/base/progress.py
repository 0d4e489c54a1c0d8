"""How far a long loop is: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TextIO, TypeVar

EVERY = 5.0  # seconds between two lines of a log
_LINE = '{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}'

Item = TypeVar('Item')


def progress(what: str, items: Iterable[Item], total: int | None = None) -> Iterator[Item]:
    """Pass items on and say on stderr how far it is; ``TQDM_DISABLE=1`` says nothing.

    Args:
        what: Is being done, in a word or two.
        items: Texts among them stand beside the bar while they are in hand.
        total: Number of items, for those without a length.
    """
    from tqdm import tqdm  # here: the losses import this room and need torch alone

    class Bar(tqdm):
        monitor_interval = 0  # no thread beside the loop

    if total is None and isinstance(items, Sized):
        total = len(items)
    look = dict(desc=what, total=total, file=sys.stderr, miniters=1)
    if sys.stderr.isatty():
        look |= dict(dynamic_ncols=True)
    else:
        look |= dict(file=_Lines(sys.stderr), mininterval=EVERY, bar_format=_LINE)
    with Bar(**look) as bar:
        for item in items:
            if isinstance(item, str):
                bar.set_postfix_str(item, refresh=False)
            yield item
            bar.update()
        bar.set_postfix_str('', refresh=False)


class _Lines:
    """Makes a line of each state that tqdm writes over the one before."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.told = ''

    def write(self, text: str) -> None:
        """Write what is to be seen of a state, unless its count has been written."""
        count = text.strip().partition('[')[0]
        if count and count != self.told:
            self.told = count
            self.file.write(f'{text.strip()}\n')

    def flush(self) -> None:
        """Pass it on."""
        self.file.flush()
