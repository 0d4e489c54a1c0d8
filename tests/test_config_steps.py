"""Every segmentation config takes a training step on mini data, through its own pipeline."""

import shutil

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from test_configs import ROOT, SEGMENTATION, name_of
from toy import total
from toy_draws import assert_samples_belong_to_their_draws

from projects.MiniScenes.rooms import write_scannet
from projects.MiniScenes.streets import write_nuscenes, write_semantickitti
from projects.SRKD.datasets.infos.pandaset import write_pandaset_infos
from projects.SRKD.distill import live_teacher
from projects.SRKD.distill.cache_writing.writer import CacheWriter, write_cache

OF_STUDIES = sorted((ROOT / 'studies' / 'configs').glob('*.py'))
MAX_VOXELS = 200  # enough for every layer; the largest networks take seconds for more
LARGEST_OPTIMIZED = 40_000_000  # parameters; Adam's moments of more take memory and show nothing


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Mini data for the config files' data roots, by the last part of their names."""
    base = tmp_path_factory.mktemp('mini')
    rooms = write_scannet(base / 'scannet', 3, 1, seed=0, points=3000)
    shutil.copytree(rooms / 'semantic_mask', rooms / 'semantic_mask_200')
    streets = dict(scans=1, azimuth_steps=90)
    nuscenes = write_nuscenes(base / 'nuscenes', scenes=3, val_scenes=1, **streets)
    kitti = write_semantickitti(base / 'kitti', sequences=3, val_sequences=1, **streets)
    pandaset = base / 'pandaset'
    for folder in ('velodyne', 'labels'):
        (pandaset / '002' / folder).mkdir(parents=True)
    for i, path in enumerate(sorted(kitti.glob('sequences/*/velodyne/*.bin'))):
        shutil.copy(path, pandaset / f'002/velodyne/{i:02d}.bin')
        count = path.stat().st_size // 16
        (torch.arange(count) % 43).int().numpy().tofile(pandaset / f'002/labels/{i:02d}.label')
    write_pandaset_infos(pandaset)
    return dict(scannet=rooms, nuscenes=nuscenes, semantickitti=kitti, pandaset=pandaset)


def train_data(config, roots):
    """The config's training data with its own pipeline, thinned out."""
    dataset = config.train_dataloader.dataset
    dataset = dataset.get('dataset', dataset)
    key = dataset.data_root.strip('/').split('/')[-1].removeprefix('mini_').removesuffix('_teacher')
    dataset.data_root = f'{roots[key]}/'
    if 'scene_idxs' in dataset:
        dataset.scene_idxs = [0, 1, 2]
    thin = dict(type='PointSample', num_points=MAX_VOXELS)
    steps = dataset.pipeline[-1].get('transforms', dataset.pipeline)  # ReplayViews wraps the rest
    steps.insert(len(steps) - 1, thin)
    dataset = DATASETS.build(dataset)
    assert len(dataset) == 3
    return dataset


def samples(config, roots):
    """Two training samples."""
    dataset = train_data(config, roots)
    return pseudo_collate([dataset[0], dataset[1]])


@pytest.mark.parametrize('name', ['scannet-seg', 'nuscenes-lidarseg', 'semantickitti'])
def test_what_a_recipe_draws_belongs_to_the_sample(name, roots):
    config = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py')
    assert_samples_belong_to_their_draws(train_data(config, roots))


@pytest.mark.parametrize('path', SEGMENTATION + OF_STUDIES, ids=name_of)
def test_a_config_takes_a_training_step(path, roots, monkeypatch, tmp_path):
    config = Config.fromfile(path)
    # a teacher of random weights; that only trained ones are taken is tested in test_teacher.py
    monkeypatch.setattr(live_teacher, 'load_strictly', lambda network, checkpoint: None)
    if 'teacher' in config.model:
        config.model.teacher.checkpoint = 'not read'
    network = config.model.get('student', config.model)
    if 'bev_range' in network.backbone:
        network.backbone.bev_range = (-12.8, -12.8, 12.8, 12.8)  # a sixteenth of the map
    np.random.seed(0)
    torch.manual_seed(0)
    batch = samples(config, roots)
    if 'cache' in config.model.get('teacher', {}):
        checkpoint = str(tmp_path / 'teacher.pth')  # for its checksum and its classes
        torch.save(dict(state_dict=dict(weight=torch.zeros(1))), checkpoint)
        config.model.teacher.update(cache=str(tmp_path / 'cache'), checkpoint=checkpoint)
        write_cache(CacheWriter(config))
    model = MODELS.build(config.model).train()
    data = model.data_preprocessor(batch, training=True)
    assert 0 < len(data['inputs']['voxels']['voxels']) <= 2 * MAX_VOXELS
    losses = model.loss(**data)
    terms = [name for name, term in config.model.get('terms', {}).items() if term is not None]
    assert {f'loss_{name}' for name in terms} <= set(losses)
    assert all(torch.isfinite(value) for value in losses.values()), losses
    if sum(p.numel() for p in model.parameters()) > LARGEST_OPTIMIZED:
        total(losses).backward()
        trained = [p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters()]
        assert all(trained)
        return
    before = [p.detach().clone() for p in model.parameters()]
    build_optim_wrapper(model, config.optim_wrapper).update_params(total(losses))
    moved = [not torch.equal(p, old) for p, old in zip(model.parameters(), before)]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert sum(moved) > 0.9 * len(moved)
