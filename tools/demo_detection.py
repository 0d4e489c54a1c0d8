"""Teach a small detector by a large one on procedural streets: ``python tools/demo_detection.py``.

Frames in KITTI's layout, PointPillars as teacher, a student with half the widths alone and with
PointDistiller (same budget, same seed), a test of all three, one table, one picture and one page
in ``work_dirs/demo_detection``. What is finished is not repeated.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # studies/ is not installed

from studies.demo_arguments import parse_args

TITLE = 'PointDistiller on procedural streets, from data to table'
FOLDER = Path('work_dirs/demo_detection')
if __name__ == '__main__':
    parse_args(TITLE, FOLDER)  # --help and mistakes are told before the slow imports

from studies.demo import Demo, main
from studies.metrics import VIEWS, kitti_ap
from studies.mini_data import FRAMES
from studies.runs import ROOT

CONFIGS = ROOT / 'configs' / 'mini'
CLASSES = ('Car', 'Pedestrian', 'Cyclist')
FEW = FRAMES._replace(words=(*FRAMES.words, '--val-frames', '4'))
PILLARS = '_1xb4-20e_mini-kitti-3d.py'


def draw(batch: dict, samples: Mapping[str, Any], cfg: Any, path: Path) -> None:
    """Draw what each network finds in a frame."""
    from projects.SRKD.visualization.detection_picture import (
        draw_boxes,
        known_boxes,
        predicted_boxes,
    )

    draw_boxes(
        batch['inputs']['points'][0].numpy(),
        known_boxes(samples['teacher']),
        {name: predicted_boxes(of) for name, of in samples.items()},
        cfg.test_dataloader.dataset.metainfo.classes,
        path,
        title='First test frame from above, ahead is up',
        reach=cfg.point_cloud_range,
    )


DEMO = Demo(
    method='PointDistiller',
    teacher=CONFIGS / f'pointpillars-mini{PILLARS}',
    alone=CONFIGS / f'pointpillars-mini-4x{PILLARS}',
    taught=CONFIGS / f'pointdistiller_pointpillars-mini_pointpillars-mini-4x{PILLARS}',
    data=dict(full=(FRAMES, 80), smoke=(FEW, 8)),
    options=dict(full={}, smoke={'train_cfg.max_epochs': 1}),
    columns={
        name.replace('Overall', 'mean'): tuple(kitti_ap(name, view) for view in VIEWS)
        for name in (*CLASSES, 'Overall')
    },
    gain=kitti_ap('Overall', '3D'),
    draw=draw,
    folder=FOLDER,
    minutes=10,
    note='scores: AP40 from above / in space of moderate objects, at IoU 0.7 for cars, 0.5 else',
)


if __name__ == '__main__':
    main(DEMO, parse_args(TITLE, FOLDER))
