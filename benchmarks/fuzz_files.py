"""Thousand damaged and crafted files, each read by a process of its own that may not take much.

    python benchmarks/fuzz_files.py --files 1000 --out benchmarks/FUZZ.md

A file must be read, or refused in one sentence: no code of it runs, no reader crashes, hangs or
takes a GiB. Damage to what has a checksum may not be read as another content.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hostile_files import Kind

SECONDS = 20  # that reading may take; a fault of a reader takes for ever
SPARE = 1 << 30  # bytes that reading may take
OUTCOMES = ('read', 'refused', 'other content', 'code runs', 'crashes', 'hangs', 'other errors')
GOOD = ('read', 'refused')


class Outcome(NamedTuple):
    """What came of a file.

    Attributes:
        name: One of ``OUTCOMES``.
        said: The sentence, or what happened.
        seconds: That reading took of a processor.
        megabytes: By which the process grew.
    """

    name: str
    said: str
    seconds: float
    megabytes: float


def read_apart(read: Callable[[Path], bytes], folder: Path) -> Outcome:
    """Read the file in a folder in a child process with limits of its own.

    Args:
        read: Returns what tells the content.
        folder: Of the file.
    """
    from hostile_files import MARKER

    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        _answer(read, folder, sink)
    os.close(sink)
    begin, answer, running = time.monotonic(), b'', True
    while running and (left := SECONDS - time.monotonic() + begin) > 0:
        if select.select([source], [], [], left)[0]:
            piece = os.read(source, 1 << 16)
            answer, running = answer + piece, bool(piece)
    os.close(source)
    if running:
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    seconds = time.monotonic() - begin
    marker = folder / MARKER
    if marker.exists():
        marker.rmdir() if marker.is_dir() else marker.unlink()
        return Outcome('code runs', 'the marker is there', seconds, 0.0)
    if running:
        return Outcome('hangs', f'more than {SECONDS} s', seconds, 0.0)
    if os.WIFSIGNALED(status) or not answer:
        return Outcome('crashes', f'status {status}', seconds, 0.0)
    return Outcome(*json.loads(answer))


def _answer(read: Callable[[Path], bytes], folder: Path, sink: int) -> None:
    """In the child: read, tell, end."""
    import warnings

    from projects.SRKD.base import UsageError

    warnings.simplefilter('ignore')
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    most = _bytes('VmSize') + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    before, begin = _bytes('VmRSS'), time.process_time()
    try:
        name, said = 'read', read(folder).hex()
    except UsageError as error:
        name, said = 'refused', str(error)
        if '\n' in said or len(said) > 1000:
            name = 'other errors'
    except BaseException as error:  # whatever a reader lets through
        name, said = 'other errors', f'{type(error).__name__}: {error}'[:500]
    grown = (max(_bytes('VmHWM'), before) - before) / 2**20
    os.write(sink, b'')
    with os.fdopen(sink, 'wb') as out:
        out.write(json.dumps((name, said, time.process_time() - begin, grown)).encode())
    os._exit(0)


def _bytes(field: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{field}:'):
            return 1024 * int(line.split()[1])
    return 0


def fuzz(kind: Kind, files: int, seed: int) -> list[Outcome]:
    """Read damaged and crafted files of a kind, half of each.

    Args:
        kind: Of file.
        files: How many.
        seed: Of the damages.
    """
    from hostile_files import damaged

    draw, found = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kind.write(folder)
        whole = (folder / kind.name).read_bytes()
        content = read_apart(kind.read, folder)
        if content.name != 'read':
            raise RuntimeError(f'a whole file is not read: {content.said}')
        attacks = list(kind.attacks(folder))
        draw.shuffle(attacks)
        crafted = attacks[: files // 2]
        for number in range(files):
            attack = number < len(crafted)
            raw = crafted[number] if attack else damaged(whole, draw)
            (folder / kind.name).write_bytes(raw)
            outcome = read_apart(kind.read, folder)
            if (
                outcome.name == 'read'
                and kind.summed
                and not attack
                and outcome.said != content.said
            ):
                outcome = outcome._replace(name='other content')
            if outcome.name == 'read':
                outcome = outcome._replace(said='')
            found.append(outcome)
    return found


def table(found: dict[str, list[Outcome]]) -> str:
    """Counts by kind, with the longest time and the most memory."""
    head = ('kind', 'files', *OUTCOMES, 'longest, s of CPU', 'most memory, MB')
    rows = [head, ['---'] + ['---:'] * (len(head) - 1)]
    for name, outcomes in found.items():
        counts = [sum(one.name == outcome for one in outcomes) for outcome in OUTCOMES]
        longest = max(one.seconds for one in outcomes)
        most = max(one.megabytes for one in outcomes)
        rows.append([name, len(outcomes), *counts, f'{longest:.2f}', f'{most:.0f}'])
    return '\n'.join(f'| {" | ".join(map(str, row))} |' for row in rows) + '\n'


def main() -> None:
    """Read the command line, fuzz, print the table; exit code 1 if a file did harm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--files', type=int, default=1000, help='files in all (default 1000)')
    parser.add_argument('--seed', type=int, default=0, help='of the damages (default 0)')
    parser.add_argument('--kind', help='of file; default: all kinds')
    parser.add_argument('--out', type=Path, help='Markdown file to write the table to')
    args = parser.parse_args()
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    from file_integrity import cost, damage_found
    from hostile_labels import KINDS

    kinds = {args.kind: KINDS[args.kind]} if args.kind else KINDS
    each = -(-args.files // len(kinds))
    found = {name: fuzz(kind, each, args.seed) for name, kind in kinds.items()}
    harmed = [(name, one) for name, outcomes in found.items() for one in outcomes
              if one.name not in GOOD]  # fmt: skip
    for name, one in harmed:
        print(f'{name}: {one.name}: {one.said[:300]}')
    text = table(found)
    print(text)
    integrity = damage_found(150) + '\n' + cost(500)
    print(integrity)
    if args.out:
        command = f'python benchmarks/fuzz_files.py --files {args.files} --seed {args.seed}'
        args.out.write_text(_PAGE.format(command=command, table=text, integrity=integrity))
    sys.exit(bool(harmed))


_PAGE = """# Damaged and crafted files

`{command}`, written by the command. Half of the files of each kind are attacks, as far as there are
so many, and the others are damaged in one of eight ways; each is read by a process of its own that
may take a GiB and 20 s. What is promised and what is not: [SECURITY.md](../SECURITY.md).

{table}
## What damage is found

Bits flipped and blocks of 4,096 bytes zeroed at random places; alone:
`python benchmarks/file_integrity.py`.

{integrity}"""


if __name__ == '__main__':
    main()
