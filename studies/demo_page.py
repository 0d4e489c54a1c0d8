"""The page at a demo's end, made of what the demo has predicted already."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projects.SRKD.analysis.page.networks import Network
from projects.SRKD.analysis.page.seen import affinities, seen_of
from projects.SRKD.analysis.page.story import write_page
from projects.SRKD.analysis.page.work_dir import is_work_dir, read_run
from projects.SRKD.base import UsageError

_ROLES = {'student alone': 'alone', 'teacher': 'teacher'}


def write_demo_page(
    root: Path,
    networks: Mapping[str, tuple],
    built: Mapping[str, Any],
    samples: Mapping[str, Sequence],
    batches: Sequence[dict],
    costs: Mapping[str, Any],
    ceiling: float | None,
) -> str:
    """Write ``report.html``; returns its path, or why there is none.

    Args:
        root: Where it goes.
        networks: As for :func:`studies.demo.report`.
        built: By name: config and network.
        samples: By name: the data sample of each scan.
        batches: The scans.
        costs: By name.
        ceiling: Of the 3D views, see :func:`projects.SRKD.analysis.page.story.report`.
    """
    told = [
        Network(
            name, _ROLES.get(name, 'distilled'), built[name][0], trained.checkpoint, scores,
            'tools/test.py',
        )
        for name, (_, trained, scores) in networks.items()
    ]  # fmt: skip
    folders = dict.fromkeys(trained.checkpoint.parent for _, trained, _ in networks.values())
    try:
        runs = [read_run(folder) for folder in folders if is_work_dir(folder)]
        seen = seen_of(built['teacher'][0], batches, samples, costs)
        if seen.palette is not None:
            nets = {name: net for name, (_, net) in built.items()}
            seen.affinities = affinities(nets, batches[0], seen.scans[0].truth)
        return str(write_page(root / 'report.html', runs, told, seen, ceiling))
    except UsageError as error:
        return f'not written: {error}'  # table and picture are worth more than how they are shown
