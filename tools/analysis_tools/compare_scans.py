"""Draw two labeled scans from above: ``compare_scans.py OUT A=POINTS,LABELS B=POINTS,LABELS``.

A and B are titles, points and labels files in SemanticKITTI's format. Classes are in the upper row,
remission in the lower.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Colors of SemanticKITTI's classes by raw id; SemanticKittiDataset numbers them in this order.
_CLASS_IDS = ((10, 252), (11,), (15,), (18, 258), (13, 16, 20, 256, 257, 259), (30, 254), (31, 253),
              (32, 255), (40, 60), (44,), (48,), (49,), (50,), (51,), (70,), (71,), (72,), (80,),
              (81,))  # fmt: skip
_UNLABELED = (0.85, 0.85, 0.85)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Two scans side by side')
    parser.add_argument('out', type=Path, help='picture to write')
    parser.add_argument('scans', nargs=2, metavar='NAME=POINTS,LABELS', help='what to draw')
    parser.add_argument('--reach', type=float, default=40.0, help='meters shown (default 40)')
    return parser.parse_args()


def read_scan(text: str) -> tuple[str, np.ndarray, np.ndarray]:
    """Read what one argument names.

    Args:
        text: ``NAME=POINTS,LABELS``.

    Returns:
        Name, points (n, 4) and classes (n,), 19 for none.

    Raises:
        UsageError: If the text or the files do not fit together.
    """
    import numpy as np

    from projects.SRKD.base import UsageError

    name, _, files = text.partition('=')
    paths = files.split(',')
    if len(paths) != 2:
        raise UsageError(f'a scan must be given as NAME=POINTS,LABELS, but got {text!r}')
    points = np.fromfile(paths[0], np.float32).reshape(-1, 4)
    raw = np.fromfile(paths[1], np.uint32) & 0xFFFF
    if len(raw) != len(points):
        raise UsageError(f'{paths[1]} has {len(raw)} labels for {len(points)} points')
    table = np.full(1 << 16, len(_CLASS_IDS))
    for number, ids in enumerate(_CLASS_IDS):
        table[list(ids)] = number
    return name, points, table[raw]


def draw(scans: list[tuple[str, np.ndarray, np.ndarray]], out: Path, reach: float) -> None:
    """Draw scans in columns."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from mmdet3d.datasets import SemanticKittiDataset

    meta = SemanticKittiDataset.METAINFO
    colors = np.vstack([np.array(meta['palette']) / 255, _UNLABELED])
    figure = Figure(figsize=(6.4 * len(scans), 13.6), layout='constrained', facecolor='black')
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(scans), squeeze=False)
    for column, (name, points, label) in enumerate(scans):
        near = np.flatnonzero(np.abs(points[:, :2]).max(1) < reach)
        order = near[np.argsort(points[near, 2], kind='stable')]  # high points cover low ones
        x, y, remission = points[order][:, [0, 1, 3]].T
        look = dict(s=0.35, linewidths=0, rasterized=True)
        axes[0, column].scatter(x, y, c=colors[label[order]], **look)
        axes[1, column].scatter(x, y, c=remission, cmap='viridis', vmin=0, vmax=0.7, **look)
        axes[0, column].set_title(name, color='white')
    for axis in axes.flat:
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect='equal')
        axis.set_axis_off()
    shown = sorted({int(i) for _, _, label in scans for i in np.unique(label)} - {len(_CLASS_IDS)})
    handles = [Line2D([], [], ls='', marker='o', color=colors[i], label=meta['classes'][i])
               for i in shown]  # fmt: skip
    figure.legend(handles=handles, loc='outside lower center', ncols=7, frameon=False,
                  labelcolor='white')  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=75)


def main() -> None:
    """Draw; what does not fit ends it in one sentence."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('compare_scans.py'):
        draw([read_scan(text) for text in args.scans], args.out, args.reach)


if __name__ == '__main__':
    main()
