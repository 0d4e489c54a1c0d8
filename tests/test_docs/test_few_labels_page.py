"""What the page on few labels shows is run: its snippets on small rooms, its words on detectors."""

import mmengine
import pytest
from markdown_pages import ROOT, python_blocks
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner
from toy_kitti import small_streets

from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.preflight import check_config

PAGE = (ROOT / 'docs/few_labels.md').read_text()


def test_the_first_snippets_give_every_batch_a_labeled_scan(tmp_path):
    hide, batches = python_blocks(PAGE)[:2]
    root = write_scannet(tmp_path / 'rooms', 20, 4, seed=0, points=2000)
    (tmp_path / 'hide.py').write_text(hide.replace("'./", f"'{ROOT}/configs/mini/"))
    (tmp_path / 'batches.py').write_text(f"_base_ = './hide.py'\n{batches}")
    config = Config.fromfile(tmp_path / 'batches.py')
    config.train_dataloader.dataset.dataset.data_root = f'{root}/'
    for split in ('val', 'test'):
        config[f'{split}_dataloader'].dataset.data_root = f'{root}/'
    check_config(config)
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    assert len(loader) == 5 and len(loader.dataset.names) == 4
    for batch in loader:
        names = {sample.lidar_path for sample in batch['data_samples']}
        assert len(names & set(loader.dataset.names)) == 1


@pytest.mark.parametrize('kept', [True, False])
def test_frames_without_boxes_are_loaded_where_the_page_says_so(tmp_path, kept):
    root = small_streets(tmp_path / 'streets', 3, 2, azimuth_steps=360)
    infos = mmengine.load(root / 'kitti_infos_train.pkl')
    for entry in infos['data_list'][:2]:
        entry['instances'] = []
    mmengine.dump(infos, root / 'kitti_infos_train.pkl')
    dataset = Config.fromfile(
        ROOT / 'configs/_base_/datasets/mini-kitti-3d.py'
    ).train_dataloader.dataset
    dataset.data_root = f'{root}/'
    dataset.pipeline = [step for step in dataset.pipeline if step.type != 'ObjectSample']
    dataset = DATASETS.build(dict(dataset, filter_empty_gt=not kept))
    found = [dataset.prepare_data(i) for i in range(2)]
    if not kept:
        assert found == [None, None]
        return
    for sample in found:
        assert len(sample['data_samples'].gt_instances_3d.bboxes_3d) == 0
        assert len(sample['inputs']['points']) > 0
