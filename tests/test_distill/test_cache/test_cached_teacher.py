"""The cached teacher says what the live one would about the clean scan, point by point."""

import copy
import itertools
import sys

import numpy as np
import pytest
import torch
from mmdet3d.models import MinkUNetBackbone
from mmengine.runner import Runner
from toy import build, minkunet, ptv3, save_checkpoint, total, write_scannet
from toy_cache import cached_config, live, load, matched, plain_steps, write
from toy_training import NUM_CLASSES, checkpoint_of, losses_of

from projects.SRKD.distill import LiveTeacher, Teacher
from projects.SRKD.distill.cache.cached_teacher import CachedTeacher
from projects.SRKD.distill.cache.file import SceneFile, write_scene

COARSE = dict(
    student_tap='backbone',
    teacher_tap='backbone.encoder.0.0',  # SparseConv3d of stride 2: drops voxels at odd borders
    connector=dict(type='LinearConnector'),
    loss=dict(type='FeatureMSELoss'),
)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_scannet(tmp_path_factory.mktemp('scannet') / 'data')


@pytest.fixture(scope='module', params=['minkunet', 'ptv3'])
def teacher(request, tmp_path_factory):
    network = {'minkunet': minkunet, 'ptv3': ptv3}[request.param]
    config = network(16, num_classes=NUM_CLASSES)
    path = tmp_path_factory.mktemp('teacher') / f'{request.param}.pth'
    return dict(config=config, checkpoint=save_checkpoint(config, path))


@pytest.fixture(scope='module')
def sparse_teacher(tmp_path_factory):
    config = minkunet(16, num_classes=NUM_CLASSES)
    path = tmp_path_factory.mktemp('teacher') / 'sparse.pth'
    return dict(config=config, checkpoint=save_checkpoint(config, path))


@pytest.mark.parametrize(
    ('dtype', 'rtol', 'atol'), [('float32', 1e-6, 1e-6), ('float16', 1e-3, 1e-5)]
)
def test_points_that_do_not_move_get_what_the_live_teacher_says(
    tmp_path, data_root, teacher, dtype, rtol, atol
):
    config = cached_config(data_root, tmp_path, teacher)
    write(config, dtype=dtype)
    data = load(config, [0, 3, 5], plain_steps(config))
    for tap in ('backbone', 'decode_head.conv_seg'):
        pair, _ = matched(build(config.model), copy.deepcopy(data), tap)
        expected, view = matched(live(config), copy.deepcopy(data), tap)
        assert len(pair.student) == len(view.coors)
        assert torch.equal(pair.student, expected.student)
        torch.testing.assert_close(pair.teacher, expected.teacher, rtol=rtol, atol=atol)


def test_the_loss_and_its_gradients_are_those_of_the_live_teacher(tmp_path, data_root, teacher):
    config = cached_config(data_root, tmp_path, teacher)
    del config.model.terms['cross_sample']  # draws points at random
    write(config, dtype='float32')
    data = load(config, [1, 2], plain_steps(config))
    found = []
    for make in (lambda: build(config.model), lambda: live(config)):
        torch.manual_seed(0)
        model = make()
        batch = model.data_preprocessor(copy.deepcopy(data), True)
        losses = model.loss(**batch)
        total(losses).backward()
        found.append((losses, [parameter.grad for parameter in model.parameters()]))
    (ours, gradients), (theirs, expected) = found
    assert ours['unmatched_rows'] == 0 and set(ours) == set(theirs)
    for name in ('loss_kd', 'loss_imitate', 'loss_sem_seg'):
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-7)
    for one, other in zip(gradients, expected):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def colored_cache(config, data_root) -> dict[bytes, np.ndarray]:
    """Rewrite a cache: features are scan, row and clean coordinates; returns them by color."""
    by_color = {}
    writer = write(config, dtype='float32')
    for scan, name in enumerate(writer.scans.table['path']):
        file = np.fromfile(data_root / name, np.float32).reshape(-1, 6)
        scene = SceneFile(writer.cache.path(scan))
        points = scene.read('points', np.arange(len(file)))
        feat = np.zeros((points.max() + 1, 16), np.float32)
        for row in range(len(feat)):
            inside = points == row
            feat[row, :5] = scan, row, *file[inside, :3].mean(0)
        logits = scene.read('decode_head.conv_seg', np.arange(len(feat)))
        arrays = {'points': points, 'backbone': feat, 'decode_head.conv_seg': logits}
        write_scene(writer.cache.path(scan), arrays)
        for point, row in zip(file, points):
            by_color[point[3:].tobytes()] = feat[row]
    return by_color


AUGMENTED = dict(
    moved=[
        dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=1.0),
        dict(
            type='GlobalRotScaleTrans',
            rot_range=[1, 2],
            scale_ratio_range=[0.9, 1.1],
            translation_std=[1, 1, 1],
        ),
        dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1]),
    ],
    cropped=[
        dict(type='RandomPointDropout', ratio=0.3, p=1.0),
        dict(type='SphereCrop', max_points=150),
        dict(type='PointShuffle'),
    ],
    thinned=[dict(type='GridSamplePoints', size=0.3)],
    laser_mixed=dict(type='LaserMix', num_areas=[5], pitch_angles=[0, 60]),
    polar_mixed=dict(
        type='PolarMix', instance_classes=[0, 1], swap_ratio=1.0, rotate_paste_ratio=1.0
    ),
    mixed=dict(type='Mix3D', p=1.0),
)


@pytest.mark.parametrize('kind', AUGMENTED)
def test_augmented_points_find_their_rows(tmp_path, data_root, sparse_teacher, kind):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    by_color = colored_cache(config, data_root)
    steps = [step for step in plain_steps(config) if step['type'] != 'NormalizePointsColor']
    added = AUGMENTED[kind]
    if isinstance(added, dict):
        added = [dict(added, pre_transform=steps[:-1])]
    data = load(config, [4, 1], [*steps[:-1], *added, steps[-1]], seed=2)
    model = build(config.model)
    clouds = [cloud.clone() for cloud in data['inputs']['points']]
    pair, view = matched(model, data, 'backbone')

    expected, scans = {}, [set() for _ in clouds]
    rows = iter(view.point_row.tolist())
    for sample, cloud in enumerate(clouds):
        for point in cloud.numpy():
            clean = by_color[point[3:6].tobytes()]
            expected.setdefault(next(rows), []).append(clean)
            scans[sample].add(int(clean[0]))
    if kind.endswith('mixed'):
        assert any(len(met) == 2 for met in scans)
    else:
        assert scans == [{4}, {1}]
    assert len(pair.student) == len(expected) == len(view.coors)
    for row, values in zip(pair.student[:, 0].long().tolist(), pair.teacher):
        np.testing.assert_allclose(values, np.mean(expected[row], axis=0), rtol=1e-5, atol=1e-6)


def test_points_in_no_row_of_a_strided_tap_count_for_nothing(
    tmp_path, data_root, sparse_teacher, monkeypatch
):
    # without its cure spconv drops the border of a grid that the strides do not divide
    monkeypatch.setattr(MinkUNetBackbone, 'forward', MinkUNetBackbone.forward.original)
    config = cached_config(data_root, tmp_path, sparse_teacher)
    config.model.terms = dict(coarse=COARSE)
    config.model.student.data_preprocessor.voxel_size = 0.15
    writer = write(config, dtype='float32')
    tap, scene = 'backbone.encoder.0.0', SceneFile(writer.cache.path(2))
    points = scene.read('points', np.arange(400))
    row = scene.tap_rows(tap, points)  # (400,)
    assert 0 < (row < 0).sum() < 400
    feat = scene.read(tap, np.arange(row.max() + 1))
    model = build(config.model)
    pair, view = matched(model, load(config, [2], plain_steps(config)), tap)
    expected: dict[int, list] = {}
    for point, ours in enumerate(view.point_row.tolist()):
        if row[point] >= 0:
            expected.setdefault(ours, []).append(feat[row[point]])
    assert len(expected) < len(view.coors)
    assert pair.student[:, 0].long().tolist() == sorted(expected)
    for ours, values in zip(pair.student[:, 0].long().tolist(), pair.teacher):
        np.testing.assert_allclose(values, np.mean(expected[ours], axis=0), rtol=1e-5, atol=1e-6)


def test_kept_logits_keep_their_probability(tmp_path, data_root, sparse_teacher):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    write(config, tmp_path / 'full', dtype='float32')
    write(config, dtype='float32', logits='top4')
    data = load(config, [0], plain_steps(config))
    some, _ = matched(build(config.model), copy.deepcopy(data), 'decode_head.conv_seg')
    config.model.teacher.cache = str(tmp_path / 'full')
    every, _ = matched(build(config.model), copy.deepcopy(data), 'decode_head.conv_seg')
    kept, classes = every.teacher.softmax(1).topk(4)
    found = some.teacher.softmax(1)
    torch.testing.assert_close(found.gather(1, classes), kept, rtol=1e-5, atol=1e-6)
    left = found.scatter(1, classes, 0.0).sum(1)
    torch.testing.assert_close(left, 1 - kept.sum(1), rtol=1e-4, atol=1e-6)


def test_points_without_identity_are_refused(tmp_path, data_root, sparse_teacher):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    write(config)
    config.model.student.data_preprocessor.identity_columns = False
    steps = [step for step in plain_steps(config) if step['type'] != 'AddPointIdentity']
    model = build(config.model)
    batch = model.data_preprocessor(load(config, [0], steps), True)
    message = 'scene0000_00.bin does not say.*AddPointIdentity.*identity_columns=True'
    with pytest.raises(ValueError, match=message):
        model.loss(**batch)


def test_a_training_reads_the_cache_alone_and_saves_the_plain_student(
    tmp_path, data_root, sparse_teacher, monkeypatch
):
    config = cached_config(data_root, tmp_path / 'run', sparse_teacher, epochs=4)
    # This teacher knows nothing: the task would lead the student away from it.
    config.model.terms.kd.loss.loss_weight = config.model.terms.imitate.loss.loss_weight = 100.0
    config.optim_wrapper.optimizer.lr = 5e-3
    config.train_dataloader.num_workers = 0
    config.default_hooks.checkpoint.interval = 4
    write(config, tmp_path / 'run/cache')

    def refuse(self):
        raise AssertionError('the network of a cached teacher is built')

    monkeypatch.setattr(LiveTeacher, 'network', property(refuse))
    monkeypatch.setattr(Teacher, '_tap_widths', refuse)
    runner = Runner.from_cfg(config)
    runner.train()
    assert isinstance(runner.model.teacher, CachedTeacher)
    rows = losses_of(tmp_path / 'run')
    assert len(rows) == 4 * 3
    assert all(np.isfinite(row[name]) for row in rows for name in row if 'loss' in name)
    for name in ('loss', 'loss_kd', 'loss_imitate'):
        first, last = (np.mean([row[name] for row in part]) for part in (rows[:3], rows[-3:]))
        print(f'{name}: {first:.4f} -> {last:.4f}')
        assert last < first, name
    student = build(minkunet(8, num_classes=NUM_CLASSES))
    student.load_state_dict(checkpoint_of(tmp_path / 'run', 4)['state_dict'], strict=True)


def test_a_student_is_built_and_predicts_without_the_cache(tmp_path, data_root, sparse_teacher):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    assert not (tmp_path / 'cache').exists()
    model = build(config.model).eval()
    assert model.teacher.widths == {'backbone': 16, 'decode_head.conv_seg': NUM_CLASSES}
    with torch.no_grad():
        samples = model.test_step(load(config, [0], plain_steps(config)))
    assert len(samples[0].pred_pts_seg.pts_semantic_mask) == 400
    with pytest.raises(FileNotFoundError, match='cache does not exist'):
        model.init_weights()


def test_a_copy_of_the_model_reads_the_same_cache(tmp_path, data_root, sparse_teacher):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    model = build(config.model)
    assert copy.deepcopy(model).teacher is model.teacher and not model.shares_voxels


def test_equal_preprocessors_still_read_the_cache(tmp_path, data_root, sparse_teacher):
    teacher = copy.deepcopy(sparse_teacher)
    teacher['config']['data_preprocessor']['identity_columns'] = True
    config = cached_config(data_root, tmp_path, teacher)
    assert config.model.student.data_preprocessor == teacher['config']['data_preprocessor']
    assert not build(config.model).shares_voxels
    assert live(config).shares_voxels


def test_a_step_goes_from_the_model_to_the_teacher_to_the_folder_to_the_file(
    tmp_path, data_root, sparse_teacher
):
    config = cached_config(data_root, tmp_path, sparse_teacher)
    write(config)
    model = build(config.model)
    batch = model.data_preprocessor(load(config, [0, 3], plain_steps(config)), True)
    model.loss(**copy.deepcopy(batch))  # the first step also compares cache and training
    way = ['distill/model.py', 'cache/cached_teacher.py', 'cache/folder.py', 'cache/file.py']
    calls = set()

    def record(frame, event, arg):
        callee, caller = stop_of(frame), frame.f_back
        while caller and 'projects/SRKD' not in caller.f_code.co_filename:
            caller = caller.f_back  # through decorators and torch
        if event == 'call' and callee and caller and stop_of(caller) not in (None, callee):
            calls.add((stop_of(caller), callee))

    def stop_of(frame):
        return next((stop for stop in way if frame.f_code.co_filename.endswith(stop)), None)

    sys.setprofile(record)
    try:
        model.loss(**batch)
    finally:
        sys.setprofile(None)
    assert calls == set(itertools.pairwise(way))
