"""Every detection config that runs without CUDA takes a training step on mini data.

Through its own pipeline, with its own layers on a smaller grid.
"""

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from test_configs import DETECTION, ROOT, name_of
from toy import build
from toy_detectors import shrink
from toy_draws import assert_samples_belong_to_their_draws

from projects.MiniScenes.streets import write_kitti, write_nuscenes_detection
from projects.SRKD.distill import live_teacher

MAX_POINTS = 800
CUDA_ONLY = [path for path in DETECTION if 'rcnn' in path.stem]  # PointRCNN
RUN = [path for path in DETECTION if path not in CUDA_ONLY]


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Mini data for the config files' data roots, by a word of their names."""
    base = tmp_path_factory.mktemp('mini')
    kitti = write_kitti(base / 'kitti', frames=3, val_frames=1, beams=32, azimuth_steps=360)
    nuscenes = write_nuscenes_detection(
        base / 'nuscenes', scenes=1, val_scenes=1, scans=3, azimuth_steps=90
    )
    return dict(kitti=kitti, nuscenes=nuscenes)


def moved(value, old, new):
    """A config whose paths lie below another root."""
    if isinstance(value, dict):
        return {key: moved(each, old, new) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(moved(each, old, new) for each in value)
    return value.replace(old, new) if isinstance(value, str) else value


def train_data(config, roots):
    """The config's training data with its own pipeline, thinned out."""
    dataset = config.train_dataloader.dataset
    while 'dataset' in dataset:  # RepeatDataset, CBGSDataset
        dataset = dataset.dataset
    word = 'kitti' if 'kitti' in dataset.data_root else 'nuscenes'
    dataset = moved(dataset.to_dict(), dataset.data_root, f'{roots[word]}/')
    if word == 'nuscenes':
        dataset['metainfo']['version'] = 'v1.0-mini'
    steps = []
    for step in dataset['pipeline']:
        if step['type'] == 'ObjectSample':
            if word == 'nuscenes':  # whose data base of objects we do not make
                continue
            step['use_ground_plane'] = False  # planes are a download of their own
        steps.append(step)
    thin = dict(type='PointSample', num_points=MAX_POINTS)
    dataset['pipeline'] = [*steps[:-1], thin, steps[-1]]
    dataset = DATASETS.build(dataset)
    assert len(dataset) == 3
    return dataset


def samples(config, roots):
    """Two training samples."""
    dataset = train_data(config, roots)
    return pseudo_collate([dataset[0], dataset[1]])


@pytest.mark.parametrize('name', ['mini-kitti-3d', 'mini-nuscenes-3d'])
def test_what_a_pipeline_draws_belongs_to_the_sample(name, roots):
    config = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py')
    assert_samples_belong_to_their_draws(train_data(config, roots))


def test_what_needs_cuda_is_pointrcnn_alone_and_says_so():
    assert len(CUDA_ONLY) == 5
    for path in CUDA_ONLY:
        assert path.read_text().startswith('# CUDA only')


@pytest.mark.parametrize('path', RUN, ids=name_of)
def test_a_config_takes_a_training_step(path, roots, monkeypatch):
    config = Config.fromfile(path)
    monkeypatch.setattr(live_teacher, 'load_strictly', lambda network, checkpoint: None)
    model = config.model
    if 'student' in model:
        taught = Config.fromfile(model.teacher.config).model
        model.teacher.update(config=shrink(taught), checkpoint='not read')
    network = model.get('student', model)
    shrink(network.get('detector', network))
    np.random.seed(0)
    torch.manual_seed(0)
    model = build(model)
    model.train()
    data = model.data_preprocessor(samples(config, roots), training=True)
    terms = getattr(model, 'terms', {})
    losses = model.loss(**data) if terms else model(**data, mode='loss')
    assert {f'loss_{name}' for name in terms} <= set(losses)
    loss, _ = model.parse_losses(losses)
    assert torch.isfinite(loss)
    before = [p.detach().clone() for p in model.parameters()]
    build_optim_wrapper(model, config.optim_wrapper).update_params(loss)
    changed = [not torch.equal(p, old) for p, old in zip(model.parameters(), before)]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert sum(changed) > 0.9 * len(changed)
