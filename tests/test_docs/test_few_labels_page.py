"""What the page on few labels shows is run: its snippets on small rooms, its words on detectors."""

from markdown_pages import ROOT, python_blocks
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


def test_the_snippet_of_detection_joins_frames_with_and_without_boxes(tmp_path):
    root = small_streets(tmp_path / 'streets', 6, 2, azimuth_steps=360)
    snippet = python_blocks(PAGE)[-1]
    (tmp_path / 'frames.py').write_text(
        f"_base_ = '{ROOT}/configs/_base_/datasets/mini-kitti-3d.py'\n"
        'labeled = _base_.train_dataloader.dataset\n'
        f'labeled.update(data_root={str(root)!r})\n'
        'labeled.pipeline = [s for s in labeled.pipeline if s.type != "ObjectSample"]\n'
        f'unlabeled = labeled\n{snippet}'
    )
    config = Config.fromfile(tmp_path / 'frames.py')
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    for batch in loader:
        unlabeled = ['unlabeled' in sample.metainfo for sample in batch['data_samples']]
        assert len(unlabeled) == 4 and sum(unlabeled) == 2
