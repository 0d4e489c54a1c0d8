"""Mini rooms as the data of an experiment: made once, then every config is pointed at them."""

import sys
from pathlib import Path
from typing import Any

from .runs import ROOT, Runs, config_content, digest, replaced_root

MAKER = ROOT / 'tools' / 'make_mini_data.py'


def make_rooms(runs: Runs, scenes: int, seed: int) -> tuple[Path, str]:
    """Write mini rooms in ScanNet's layout as a step of an experiment.

    Args:
        runs: Runs the step.
        scenes: Number of rooms.
        seed: Seed of the rooms, independent of any training's.

    Returns:
        Their data root and the key of the step.
    """
    words = ('scannet', '--scenes', str(scenes), '--seed', str(seed))
    root = runs.root.resolve() / 'data' / 'rooms'
    makers = sorted((ROOT / 'projects' / 'SRKD' / 'datasets' / 'mini').rglob('*.py'))
    key = digest('rooms', words, [path.read_text() for path in makers])
    runs.step(
        'data',
        f'{scenes} mini rooms',
        [sys.executable, str(MAKER), *words, '--out', str(root)],
        key,
        lambda folder: next((folder / 'rooms').glob('*_infos_val.pkl'), None),
        resumed=['--force'],  # what an interrupted start left is replaced
    )
    return root, key


def room_options(config: Path, root: Path) -> dict[str, Any]:
    """``--cfg-options`` that make a config read the data below another root.

    Raises:
        KeyError: If the config's test set names no ``data_root``.
    """
    content = config_content(config)
    old = content['test_dataloader']['dataset']['data_root']
    options: dict[str, Any] = {}
    for key, value in content.items():
        if key.startswith(('train_', 'val_', 'test_')):
            options |= replaced_root(value, old, str(root), key)
    return options
