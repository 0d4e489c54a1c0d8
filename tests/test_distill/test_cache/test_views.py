"""With views that are shown again the cached teacher says what the live one says of them."""

import copy
import itertools
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from toy import build, minkunet, ptv3, save_checkpoint, total, write_scannet
from toy_cache import cached_config, live, load, replayed_config, write
from toy_training import NUM_CLASSES, losses_of

from projects.MiniScenes.rooms import write_scannet as write_mini_rooms
from projects.SRKD.distill import LiveTeacher, VoxelView

REPO = Path(__file__).parents[3]
SIZES = dict(  # of a recipe for large rooms
    RandomPointDropout=dict(p=1.0),
    ChromaticAutoContrast=dict(p=1.0),
    GridSamplePoints=dict(size=0.1),
    Mix3D=dict(p=0.5),
    SphereCrop=dict(max_points=2000),
)
SIMPLE = [
    dict(type='RandomPointDropout', ratio=0.3, p=1.0),
    dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1]),
    dict(type='PointShuffle'),
]


MIXES = dict(
    Mix3D=dict(p=1.0),
    LaserMix=dict(num_areas=[3, 5], pitch_angles=[-60, 60]),
    PolarMix=dict(instance_classes=[0, 1], swap_ratio=1.0, rotate_paste_ratio=1.0),
)


def recipe() -> list[dict]:
    """PTv3's whole recipe for ScanNet, every kind of loss of points in it made likely."""
    base = Config.fromfile(REPO / 'configs/_base_/datasets/scannet-seg.py')
    steps = [dict(step, **SIZES.get(step.type, {})) for step in [*base.recipe, *base.mix]]
    mix = next(step for step in steps if step['type'] == 'Mix3D')
    mix['pre_transform'] = [*base.load, *steps[: len(base.recipe)]]
    return steps


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    return write_mini_rooms(tmp_path_factory.mktemp('rooms') / 'data', 3, 1, seed=0, points=3000)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_scannet(tmp_path_factory.mktemp('scannet') / 'data', train=4)


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    """Configs and checkpoints of tiny teachers."""
    folder, found = tmp_path_factory.mktemp('teacher'), {}
    for network in (minkunet, ptv3):
        config = network(16, num_classes=NUM_CLASSES)
        path = save_checkpoint(config, folder / f'{network.__name__}.pth')
        found[network] = dict(config=config, checkpoint=path)
    return found


# Strided sparse convolutions drop voxels at odd borders of the batch, not of each scan: what a live
# MinkUNet says of some rows depends on the scans beside it (up to 5e-4 here).
@pytest.mark.parametrize(('network', 'rtol'), [(minkunet, 1e-4), (ptv3, 1e-6)])
@pytest.mark.parametrize('voxel_size', [0.1, 0.15])
def test_a_step_is_that_of_the_live_teacher_under_full_augmentation(
    tmp_path, rooms, teachers, network, rtol, voxel_size
):
    student = network(voxel_size=voxel_size, num_classes=NUM_CLASSES)
    config = replayed_config(rooms, tmp_path, teachers[network], student, recipe(), views=2)
    assert set(config.model.terms) == {'kd', 'imitate', 'cross_sample'}
    writer = write(config, dtype='float32')
    pipeline, seen = config.train_dataloader.dataset.pipeline, {}
    for seed in range(2):
        data = load(config, [0, 1, 2], pipeline, seed)
        for cloud, sample in zip(data['inputs']['points'], data['data_samples']):
            seen[sample.replay['scan'], sample.replay['view']] = len(cloud)
        found = []
        for make in (lambda: build(config.model), lambda: live(config)):
            torch.manual_seed(0)
            model = make()
            model.teacher.load()  # a live one draws its first weights
            batch = model.data_preprocessor(copy.deepcopy(data), True)
            torch.manual_seed(1)  # of the points that the cross-sample term draws
            losses = model.loss(**batch)
            total(losses).backward()
            gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
            found.append((losses, gradient))
        (ours, gradient), (theirs, expected) = found
        assert ours['unmatched_rows'] == 0 and set(ours) == set(theirs)
        for name, loss in theirs.items():
            torch.testing.assert_close(ours[name], loss, rtol=rtol, atol=1e-7)
        assert (gradient - expected).norm() < 20 * rtol * expected.norm()
    raw = [size // 24 for size in writer.scans.table['bytes']]
    assert all(size < raw[scan] for (scan, _), size in seen.items())
    assert len({view for _, view in seen}) == 2 and len(set(seen.values())) > 2


def mixed_config(kind, data_root, folder, teacher, **options):
    """A run in views each of which mixes two jittered scans."""
    config = replayed_config(data_root, folder, teacher, transforms=SIMPLE, **options)
    pipeline = config.train_dataloader.dataset.pipeline
    mix = dict(type=kind, pre_transform=[*pipeline[:3], SIMPLE[1]], **MIXES[kind])
    pipeline[-1].transforms.insert(1, mix)
    return config


def said(model, data) -> dict[str, torch.Tensor]:
    """What the model's teacher says about every point, tap by tap."""
    batch = model.data_preprocessor(copy.deepcopy(data), True)
    inputs, samples = model.teacher.prepare(**batch, training=True)
    taught, view = model.teacher(inputs, samples), VoxelView(inputs, samples)
    return {tap: features.feat[view.point_row] for tap, features in taught.items()}


@pytest.mark.parametrize('network', [minkunet, ptv3])
@pytest.mark.parametrize('kind', MIXES)
def test_of_a_mixed_view_the_teacher_said_the_same_bit_by_bit(
    tmp_path, data_root, teachers, kind, network
):
    model, scans, views = None, 4, 2
    for dtype in ('float32', 'float16'):
        config = mixed_config(kind, data_root, tmp_path / dtype, teachers[network], views=views)
        writer = write(config, dtype=dtype)
        cached = build(config.model)
        if model is None:
            model = live(config)
            model.teacher.load()
        dataset = DATASETS.build(config.train_dataloader.dataset)
        *loading, replay = dataset.pipeline.transforms
        origins = set()
        for scan, view in itertools.product(range(scans), range(views)):
            results = dict(dataset.get_data_info(scan), dataset=dataset)
            for transform in loading:
                results = transform(results)
            data = pseudo_collate([replay.replay(results, view)])
            (cloud,) = data['inputs']['points']
            assert torch.equal(cloud, writer.scans.load(scans * view + scan).points)
            origins.add(len(cloud))
            ours, theirs = said(cached, data), said(model, data)
            assert ours.keys() == theirs.keys() == {'backbone', 'decode_head.conv_seg'}
            for tap, values in theirs.items():
                assert ours[tap].shape == (len(cloud), values.shape[1])
                assert torch.equal(ours[tap], values.to(ours[tap].dtype))
        assert origins != {280}  # of one scan alone


def test_mixed_views_need_the_same_scans_to_mix_with(tmp_path, data_root, teachers):
    config = mixed_config('LaserMix', data_root, tmp_path, teachers[minkunet], views=2)
    write(config)
    step(config)
    config.train_dataloader.dataset.scene_idxs = [0, 1, 2]
    match = (
        'other data: its mixed views draw the second scan from 4 entries .*, this training from 3;'
    )
    with pytest.raises(ValueError, match=match):
        step(config)


def test_views_of_single_scans_need_no_others(replayed):
    replayed.train_dataloader.dataset.scene_idxs = [0, 1]
    step(replayed)


@pytest.fixture
def replayed(tmp_path, data_root, teachers):
    """A run on views whose cache is written."""
    config = replayed_config(
        data_root, tmp_path, teachers[minkunet], transforms=SIMPLE, views=2, seed=7
    )
    write(config)
    return config


def step(config):
    """Take a training step's teacher view."""
    model = build(config.model)
    data = load(config, [0, 1], config.train_dataloader.dataset.pipeline)
    batch = model.data_preprocessor(data, True)
    return model.teacher.prepare(batch['inputs'], batch['data_samples'], True)


def test_every_point_of_a_view_has_its_row_though_the_scan_has_more(replayed):
    inputs, samples = step(replayed)
    for cloud, sample, (piece,) in zip(inputs['points'], samples, inputs['pieces']):
        assert len(cloud) == len(sample.point2voxel_map) == piece.scene.size == 280  # of 400
        stored = piece.scene.read('points', np.arange(280))
        assert sample.point2voxel_map.tolist() == stored.tolist() and stored.min() == 0


def change(config, **changes):
    config.train_dataloader.dataset.pipeline[-1].update(changes)


DIFFERENT = {
    r'number of views .*: 2 there, 3 here; add the missing views with python '
    r'tools/cache_teacher.py CONFIG, or train with ReplayViews\(views=2, seed=7\)': (
        lambda config: change(config, views=3)
    ),
    r'number of views .*: 2 there, 3 here; write one .* ReplayViews\(views=2, seed=7\)': (
        lambda config: change(config, views=3, seed=0)
    ),
    'seed of the views: 7 there, 0 here': lambda config: change(config, seed=0),
    r'augmentation of .*: \w{12} there, \w{12} here; .* or give ReplayViews': lambda config: (
        config.train_dataloader.dataset.pipeline[-1].transforms[0].update(ratio=0.2)
    ),
}


@pytest.mark.parametrize('match', DIFFERENT)
def test_a_training_in_other_views_is_refused(replayed, match):
    step(replayed)
    DIFFERENT[match](replayed)
    with pytest.raises(ValueError, match=f'cache .* is stale: it was made with another {match}'):
        step(replayed)


def test_a_training_in_fewer_views_reads_the_first(replayed):
    change(replayed, views=1)
    inputs, samples = step(replayed)
    assert [sample.replay['view'] for sample in samples] == [0, 0]
    assert [piece.scene.path.name for (piece,) in inputs['pieces']] == ['000000.npy', '000001.npy']
    change(replayed, seed=0)
    with pytest.raises(ValueError, match='seed of the views: 7 there, 0 here'):
        step(replayed)


def test_views_need_a_cache_of_views_and_clean_scans_one_of_clean_scans(
    tmp_path, data_root, teachers, replayed
):
    clean = cached_config(data_root, tmp_path / 'clean', teachers[minkunet])
    write(clean)
    caches = [config.model.teacher.cache for config in (clean, replayed)]
    replayed.model.teacher.cache, clean.model.teacher.cache = caches
    match = r'number of views of each scan \(0: the clean scan\): {}; .*, or {}'
    with pytest.raises(
        ValueError, match=match.format('0 there, 2 here', 'leave ReplayViews out of')
    ):
        step(replayed)
    wrap = r'train with ReplayViews\(views=2, seed=7\)'
    with pytest.raises(ValueError, match=match.format('2 there, 0 here', wrap)):
        step(clean)


def test_a_view_that_comes_out_otherwise_is_refused(replayed, monkeypatch):
    dropout, jitter = (TRANSFORMS.get(step['type']) for step in SIMPLE[:2])
    with monkeypatch.context() as changed:
        changed.setattr(dropout, 'transform', lambda self, results: results)
        match = (r'view \d of points/scene0000_00.bin is another cloud than .*: \(280, 6\) points '
                 r'and columns there, \(400, 6\) here; .* in front of ReplayViews')  # fmt: skip
        with pytest.raises(ValueError, match=match):
            step(replayed)
    monkeypatch.setattr(jitter, 'transform', lambda self, results: results)
    with pytest.raises(ValueError, match=r'another cloud than .* saw: points up to 0.\d+ apart'):
        step(replayed)


def test_identity_columns_are_named_where_they_take_columns_of_a_view(replayed):
    replayed.model.student.data_preprocessor.identity_columns = True
    there, here = r'\(280, 6\) points and columns there', r'\(280, 4\) here'
    with pytest.raises(ValueError, match=f'{there}, {here} .identity_columns of the student takes'):
        step(replayed)


def test_epochs_draw_other_views_and_never_run_the_teacher(replayed, tmp_path, monkeypatch):
    class Record(Hook):
        epochs: ClassVar[list] = []

        def before_train_epoch(self, runner):
            self.epochs.append({})

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            for sample in data_batch['data_samples']:
                self.epochs[-1][sample.replay['scan']] = sample.replay['view']

    def refuse(self):
        raise AssertionError('the network of a cached teacher is built')

    monkeypatch.setattr(LiveTeacher, 'network', property(refuse))
    replayed.train_dataloader.num_workers = 0
    replayed.train_cfg.update(max_epochs=6)
    replayed.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    replayed.default_hooks.checkpoint = None  # each would cost a second of formatting the config
    runner = Runner.from_cfg(replayed)
    runner.register_hook(Record())
    runner.train()
    rows = losses_of(tmp_path)
    assert len(rows) == 6 * 2
    assert all(np.isfinite(row[name]) for row in rows for name in row if 'loss' in name)
    assert all(row['unmatched_rows'] == 0 for row in rows)
    assert all(views.keys() == {0, 1, 2, 3} for views in Record.epochs)
    assert len({tuple(sorted(views.items())) for views in Record.epochs}) > 3
