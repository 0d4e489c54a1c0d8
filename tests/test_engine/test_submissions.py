"""``tools/test.py`` writes what the benchmarks' servers take, also of splits without labels."""

import json
import uuid
from pathlib import Path

import mmengine
import numpy as np
from mmengine.config import Config
from test_configs import ROOT
from toy import minkunet, save_checkpoint
from toy_detectors import shrink
from toy_kitti import small_streets
from toy_nuscenes import write_nuscenes_config

from projects.MiniScenes.rooms import write_scannet
from projects.MiniScenes.streets import write_semantickitti
from projects.MiniScenes.streets.nuscenes_tables import write_nuscenes_detection
from projects.SRKD.engine import launch

BASES = ROOT / 'configs/_base_'


def segmentor(classes: int, columns: int) -> dict:
    """A tiny network for clouds of streets or rooms."""
    model = minkunet(num_classes=classes, voxel_size=0.4)
    model['backbone']['in_channels'] = columns
    return model


def unlabeled(root: Path, split: str) -> Path:
    """Write the info file of a split as one without labels; returns its path."""
    infos = mmengine.load(root / f'{split}.pkl')
    for info in infos['data_list']:
        for key in ('pts_semantic_mask_path', 'instances', 'cam_instances'):
            info.pop(key, None)
    path = root / 'infos_test.pkl'
    mmengine.dump(infos, path)
    return path


def written(tmp_path: Path, cfg: Config, model: dict, **evaluator) -> tuple[dict, list[str]]:
    """Test random weights on a config's test data; returns the scores and the files."""
    checkpoint = save_checkpoint(model, tmp_path / 'a.pth')
    cfg.model = model
    cfg.experiment_name = uuid.uuid4().hex
    cfg.test_cfg = dict(type='TestLoop')
    cfg.default_scope = 'mmdet3d'
    for key in list(cfg):
        if key.startswith(('train_', 'val_', 'optim_', 'param_')):
            cfg.pop(key)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_evaluator.update(evaluator)
    cfg.dump(tmp_path / 'config.py')
    scores = launch.test(tmp_path / 'config.py', checkpoint, work_dir=tmp_path / 'run')
    out = tmp_path / 'out'
    return scores, sorted(str(p.relative_to(out)) for p in out.rglob('*') if p.is_file())


def test_scannet_without_labels(tmp_path):
    root = write_scannet(tmp_path / 'rooms', 1, 2, seed=0, points=400)
    cfg = Config.fromfile(BASES / 'datasets/mini-scannet-seg.py')
    infos = unlabeled(root, 'scannet_infos_val')
    cfg.test_dataloader.dataset.update(data_root=f'{root}/', ann_file=infos.name)
    out = dict(submission_prefix=str(tmp_path / 'out'), format_only=True)
    scores, files = written(tmp_path, cfg, segmentor(20, 6), **out)
    infos = mmengine.load(infos)['data_list']
    clouds = sorted(info['lidar_points']['lidar_path'] for info in infos)
    assert scores == {} and files == [name.replace('.bin', '.txt') for name in clouds]
    ids = np.loadtxt(tmp_path / 'out' / files[0], dtype=int)
    assert len(ids) == (root / 'points' / clouds[0]).stat().st_size // 24
    assert set(ids) <= {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39}


def test_semantickitti_beside_the_scores(tmp_path):
    root = write_semantickitti(tmp_path / 'streets', 1, 1, scans=2, azimuth_steps=60)
    cfg = Config.fromfile(BASES / 'datasets/mini-semantickitti.py')
    cfg.test_dataloader.dataset.data_root = f'{root}/'
    scores, files = written(
        tmp_path, cfg, segmentor(19, 4), submission_prefix=str(tmp_path / 'out')
    )
    assert 0 <= scores['miou'] <= 1
    assert files == [f'sequences/08/predictions/00000{i}.label' for i in range(2)]
    ids = np.fromfile(tmp_path / 'out' / files[1], np.uint32)
    assert len(ids) == (root / 'sequences/08/velodyne/000001.bin').stat().st_size // 16
    assert set(ids) <= set(cfg.test_evaluator.submission.ids)


def test_nuscenes_lidarseg_without_labels(tmp_path):
    cfg = Config.fromfile(write_nuscenes_config(tmp_path))
    root = Path(cfg.test_dataloader.dataset.data_root)
    names = sorted(path.name for path in (root / 'samples/LIDAR_TOP').glob('val*'))
    rows = [dict(token=f't{i}', filename=f'samples/LIDAR_TOP/{n}') for i, n in enumerate(names)]
    (root / 'v1.0-mini').mkdir()
    mmengine.dump(rows, root / 'v1.0-mini/sample_data.json')
    cfg.test_dataloader.dataset.ann_file = unlabeled(root, 'nuscenes_infos_val').name
    out = dict(submission_prefix=str(tmp_path / 'out'), format_only=True)
    scores, files = written(tmp_path, cfg, cfg.model.to_dict(), **out)
    assert scores == {}
    assert files == [
        *(f'lidarseg/val/t{i}_lidarseg.bin' for i in range(len(names))), 'val/submission.json'
    ]  # fmt: skip
    labels = np.fromfile(tmp_path / 'out' / files[0], np.uint8)
    assert len(labels) == 300 and labels.min() >= 1 and labels.max() <= 16


def test_kitti_without_labels_by_frame(tmp_path):
    root = small_streets(tmp_path / 'kitti', frames=1, val_frames=2, azimuth_steps=200)
    cfg = Config.fromfile(ROOT / 'configs/mini/pointpillars-mini-16x_1xb4-20e_mini-kitti-3d.py')
    cfg.model.detector = shrink(cfg.model.detector)
    infos = unlabeled(root, 'kitti_infos_val')
    cfg.test_dataloader.dataset.update(data_root=f'{root}/', ann_file=infos.name)
    out = dict(ann_file=str(infos), submission_prefix=str(tmp_path / 'out'), format_only=True)
    scores, files = written(tmp_path, cfg, cfg.model.to_dict(), **out)
    frames = [info['lidar_points']['lidar_path'] for info in mmengine.load(infos)['data_list']]
    assert scores == {}
    assert files == [f'pred_instances_3d/{Path(frame).stem}.txt' for frame in frames]
    assert all(len(line.split()) == 16 for line in (tmp_path / 'out' / files[0]).open())


def test_nuscenes_detection_as_mmdet3d_writes_it(tmp_path):
    root = write_nuscenes_detection(tmp_path / 'nus', 1, 1, scans=1, azimuth_steps=60)
    cfg = Config.fromfile(ROOT / 'configs/mini/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py')
    infos = unlabeled(root, 'nuscenes_infos_val')
    cfg.test_dataloader.dataset.update(data_root=f'{root}/', ann_file=infos.name)
    out = dict(jsonfile_prefix=str(tmp_path / 'out'), format_only=True)
    out |= dict(ann_file=str(infos), data_root=f'{root}/')
    scores, files = written(tmp_path, cfg, cfg.model.to_dict(), **out)
    assert scores == {} and files == ['pred_instances_3d/results_nusc.json']
    content = json.loads((tmp_path / 'out' / files[0]).read_text())
    tokens = {info['token'] for info in mmengine.load(infos)['data_list']}
    assert content['meta']['use_lidar'] and set(content['results']) == tokens
