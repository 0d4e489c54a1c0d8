"""Teach a small network by a large one on procedural rooms: ``python tools/demo.py``.

80 rooms of which four are labeled, a committed teacher of other rooms, a student on the four alone,
a student that SRKD teaches on all (same steps, same seed), a test of all three, one table, one
picture and one page in ``work_dirs/demo``. What is finished is not repeated.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # studies/ is not installed

from studies.demo_arguments import parse_args

TITLE = 'SRKD on procedural rooms, from data to table'
FOLDER = Path('work_dirs/demo')
if __name__ == '__main__':
    parse_args(TITLE, FOLDER)  # --help and mistakes are told before the slow imports

from studies.demo import Demo, Studied, main
from studies.metrics import MACC, MIOU
from studies.mini_data import ROOMS
from studies.runs import ROOT

CONFIGS = ROOT / 'configs' / 'mini'
FEW_LABELS = '_1xb4-30e_mini-scannet-seg-4labeled.py'
CEILING = 2.2  # meters above the lowest point; what is higher hides the room from above


def draw(batch: dict, samples: Mapping[str, Any], cfg: Any, path: Path) -> None:
    """Draw what each network sees of a room."""
    from projects.SRKD.visualization.picture import draw_scene

    truth = samples['teacher'].eval_ann_info['pts_semantic_mask']
    draw_scene(
        batch['inputs']['points'][0][:, :3].numpy(),
        truth,
        {name: of.pred_pts_seg.pts_semantic_mask.numpy() for name, of in samples.items()},
        cfg.test_dataloader.dataset.metainfo.classes,
        palette_of(cfg),
        path,
        title='First test scan from above; colors are classes, black is wrong',
        ceiling=CEILING,
    )


def palette_of(cfg: Any) -> list:
    """Colors of the classes: the config's, else the data set's own."""
    from mmdet3d.registry import DATASETS

    dataset = cfg.test_dataloader.dataset
    return dataset.metainfo.get('palette') or DATASETS.get(dataset.type).METAINFO['palette']


DEMO = Demo(
    method='SRKD',
    teacher=CONFIGS / 'ptv3-mini-m_1xb4-60e_mini-scannet-seg.py',
    alone=CONFIGS / f'ptv3-mini-s{FEW_LABELS}',
    taught=CONFIGS / f'srkd_ptv3-mini-m_ptv3-mini-s{FEW_LABELS}',
    data=dict(full=(ROOMS, 80), smoke=(ROOMS, 6)),
    options=dict(full={}, smoke={'train_cfg.max_epochs': 1}),
    columns={'mIoU': (MIOU,), 'mAcc': (MACC,)},
    gain=MIOU,
    draw=draw,
    folder=FOLDER,
    minutes=9,
    weights=ROOT / 'studies' / 'teachers' / 'rooms.safetensors',
    studied=Studied('rooms-few-labels', 'P2'),
    ceiling=CEILING,
)


if __name__ == '__main__':
    main(DEMO, parse_args(TITLE, FOLDER))
