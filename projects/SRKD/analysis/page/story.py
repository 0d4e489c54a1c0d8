"""The page as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...base import check_writable, write_text
from .agreement import agreement
from .boxes import boxes
from .clouds import clouds
from .cost import cost
from .curves import curves
from .html import document, plotly_js
from .networks import Network, networks_of
from .origin import origin
from .relations import relations
from .scores import scores
from .seen import Seen, look
from .summary import summary
from .work_dir import Run, read_run


def report(
    folders: Sequence[str | Path],
    out: str | Path,
    scans: int = 2,
    device: str = 'cpu',
    ceiling: float | None = None,
) -> Path:
    """Read work dirs, run their networks on a few scans, write the page.

    Args:
        folders: Work dirs of trainings and tests.
        out: HTML file.
        scans: Scans of the test set to look at; 0: no network is run.
        device: Where networks run.
        ceiling: Leave out points higher than this above a scan's lowest, meters.

    Returns:
        The file.

    Raises:
        UsageError: If a folder is no work dir, or the page cannot be written.
    """
    check_writable(Path(out).parent, '--out')
    plotly_js()  # before the work, not after it
    runs = [read_run(folder) for folder in folders]
    networks = networks_of(runs)
    seen = look(networks, scans, device) if scans else Seen(lacking='scans: --scans is 0')
    return write_page(out, runs, networks, seen, ceiling)


def write_page(
    out: str | Path,
    runs: Sequence[Run],
    networks: Sequence[Network],
    seen: Seen,
    ceiling: float | None = None,
) -> Path:
    """Write the page from what is known.

    Args:
        out: HTML file.
        runs: Work dirs.
        networks: Of them.
        seen: What they said about scans.
        ceiling: As for :func:`report`.
    """
    sections = [
        summary(runs),
        curves(runs),
        scores(networks),
        clouds(seen, ceiling),
        boxes(seen),
        agreement(runs),
        relations(seen, networks),
        cost(seen, networks),
        origin(networks),
    ]
    trained = [run for run in runs if not run.tested] or runs
    title = f'Report: {", ".join(run.folder.name for run in trained)}'
    write_text(out, document(title, sections))
    return Path(out)
