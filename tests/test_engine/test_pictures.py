"""Scans, predictions and data sets are drawn without a display, and shown where there is one."""

import copy
import runpy
import shutil
import sys
import uuid
from pathlib import Path

import matplotlib.image
import mmengine
import pytest
from mmengine.config import Config
from test_configs import ROOT
from toy import minkunet, save_checkpoint
from toy_kitti import small_streets

from projects.MiniScenes.rooms import write_scannet
from projects.SRKD.base import UsageError
from projects.SRKD.engine import launch
from projects.SRKD.visualization.picture_hook import shared_folder

BROWSE = str(ROOT / 'tools/misc/browse_dataset.py')


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    """Two rooms, and a config with a tiny network."""
    folder = tmp_path_factory.mktemp('rooms')
    root = write_scannet(folder / 'data', 2, 1, seed=0, points=400)
    model = minkunet(num_classes=20, voxel_size=0.4)
    cfg = Config.fromfile(ROOT / 'configs/mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py')
    return finish(cfg, root, model, folder)


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    """Two frames with boxes, and a config with a small detector."""
    folder = tmp_path_factory.mktemp('streets')
    root = small_streets(folder / 'data', frames=1, val_frames=2, azimuth_steps=200)
    cfg = Config.fromfile(ROOT / 'configs/mini/pointpillars-mini-4x_1xb4-20e_mini-kitti-3d.py')
    cfg.train_pipeline = [step for step in cfg.train_pipeline if step.type != 'ObjectSample']
    return finish(cfg, root, cfg.model.to_dict(), folder)


def finish(cfg: Config, root: Path, model: dict, folder: Path) -> tuple[Path, str]:
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader']
        dataset.update(num_workers=0, persistent_workers=False)
        dataset.dataset.data_root = f'{root}/'
        if split != 'train' and 'ann_file' in cfg[f'{split}_evaluator']:
            cfg[f'{split}_evaluator'].ann_file = f'{root}/kitti_infos_val.pkl'
    cfg.model = model
    cfg.dump(folder / 'config.py')
    return folder / 'config.py', save_checkpoint(model, folder / 'a.pth')


def evaluate(config, checkpoint, folder, options=None, **flags):
    options = {'experiment_name': uuid.uuid4().hex, **(options or {})}
    return launch.test(config, checkpoint, work_dir=folder, cfg_options=options, **flags)


def drawn(path: Path) -> bool:
    """Whether a picture shows more than a white page."""
    return matplotlib.image.imread(path)[..., :3].std() > (0.02 if path.suffix == '.png' else 5)


def test_boxes_are_drawn_while_testing(streets, tmp_path):
    unscored = {'test_evaluator.format_only': True}  # scoring takes half a minute to compile
    unscored['test_evaluator.submission_prefix'] = str(tmp_path / 'submission')
    evaluate(*streets, tmp_path, unscored, show_dir='drawings', task='lidar_det')
    pictures = sorted(tmp_path.glob('*/drawings/*.png'))
    assert len(pictures) == 2 and all(map(drawn, pictures))


def test_scans_of_one_name_in_two_folders_have_two_pictures(rooms, tmp_path):
    root = Path(Config.fromfile(rooms[0]).test_dataloader.dataset.data_root)
    infos = mmengine.load(root / 'scannet_infos_val.pkl')
    (info,) = infos['data_list']
    cloud = root / 'points' / info['lidar_points']['lidar_path']
    infos['data_list'] = [copy.deepcopy(info) for _ in 'ab']
    for name, info in zip('ab', infos['data_list']):
        info['lidar_points']['lidar_path'] = f'{name}/room.bin'
        (root / f'points/{name}').mkdir()
        shutil.copy(cloud, root / f'points/{name}/room.bin')
    mmengine.dump(infos, root / 'twice.pkl')
    twice = {'test_dataloader.dataset.ann_file': 'twice.pkl'}
    evaluate(*rooms, tmp_path, twice, show_dir='seen', task='lidar_seg')
    (folder,) = tmp_path.glob('*/seen')
    pictures = sorted(str(path.relative_to(folder)) for path in folder.rglob('*.png'))
    assert pictures == ['a/room.png', 'b/room.png']


def test_pictures_lie_below_the_folder_that_all_scans_share():
    class Scans(list):
        def get_data_info(self, index):
            return dict(lidar_points=dict(lidar_path=self[index]))

    assert shared_folder(Scans(['/a/b/0.bin', '/a/c/0.bin'])) == Path('/a')
    assert shared_folder(Scans(['/a/b/0.bin', '/a/b/1.bin'])) == Path('/a/b')


@pytest.mark.parametrize('kind, task', [('rooms', 'lidar_seg'), ('streets', 'lidar_det')])
def test_a_data_set_is_browsed(kind, task, request, tmp_path, monkeypatch):
    config, _ = request.getfixturevalue(kind)
    flags = ['--task', task, '--output-dir', str(tmp_path / 'out'), '--not-show']
    monkeypatch.setattr(sys, 'argv', [BROWSE, str(config), *flags])
    runpy.run_path(BROWSE, run_name='__main__')
    pictures = sorted((tmp_path / 'out').iterdir())
    assert [path.name for path in pictures] == [f'{i}.jpg' for i in range(len(pictures))]
    assert pictures and all(map(drawn, pictures))


def test_browsing_in_windows_needs_one(rooms, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [BROWSE, str(rooms[0]), '--task', 'lidar_seg'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(BROWSE, run_name='__main__')
    assert end.value.code == 2
    assert 'browse_dataset.py: point clouds cannot be shown' in capsys.readouterr().err


@pytest.mark.parametrize('kind, task', [('rooms', 'lidar_seg'), ('streets', 'lidar_det')])
def test_windows_are_asked_for_before_the_run(kind, task, request, tmp_path):
    with pytest.raises(UsageError, match='point clouds cannot be shown in a window'):
        evaluate(*request.getfixturevalue(kind), tmp_path, show=True, task=task)
    assert not list(tmp_path.iterdir())


def test_tensorboard_takes_one_line_and_gets_scores_and_pictures(rooms, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = {
        'visualizer': dict(vis_backends=[dict(type='TensorboardVisBackend')]),
        'default_hooks.visualization': dict(draw=True, vis_task='lidar_seg'),
    }
    evaluate(*rooms, tmp_path, options)
    (events,) = tmp_path.rglob('events*')
    log = EventAccumulator(str(events)).Reload()
    assert log.Tags()['images'] == ['test sample']


@pytest.mark.parametrize('kind', ['rooms', 'streets'])
def test_every_data_set_has_mmdet3ds_visualizer(kind, request):
    cfg = Config.fromfile(request.getfixturevalue(kind)[0])
    assert cfg.visualizer.type == 'Det3DLocalVisualizer'
    assert cfg.default_hooks.visualization.type == 'Det3DVisualizationHook'


def test_two_segmentation_runs_of_one_process_log_into_their_own_folders(rooms, tmp_path):
    for name in 'ab':
        evaluate(*rooms, tmp_path / name)
        assert len(list((tmp_path / name).glob('*/*.json'))) == 1
