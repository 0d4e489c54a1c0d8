"""Labels are hidden by scan, wherever a scan turns up: alone, mixed in, in views, in batches."""

import copy
import logging
import os
import shutil
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.dataset import DefaultSampler
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from toy import minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config, replayed_config, write
from toy_training import NUM_CLASSES, distill_config, losses_of, plain_config

from projects.SRKD.datasets import PartialLabels, UnlabeledScans
from projects.SRKD.datasets.batches.class_histogram import MaskReader
from projects.SRKD.datasets.batches.cross_sample_batch_sampler import CrossSampleBatchSampler
from projects.SRKD.datasets.batches.scene_statistics import scene_statistics
from projects.SRKD.preflight import check_config, check_run

SCANS, IGNORED = 6, 20


@pytest.fixture
def config(tmp_path):
    write_scannet(tmp_path / 'data', train=SCANS)
    return plain_config(tmp_path / 'data', tmp_path / 'run', minkunet(num_classes=NUM_CLASSES))


def partial(config, labeled=2, kind='PartialLabels', **options):
    """The training set of a config, few of its scans labeled."""
    inner = copy.deepcopy(config.train_dataloader.dataset)
    options = options if kind == 'UnlabeledScans' else dict(labeled=labeled, **options)
    return dict(type=kind, dataset=inner, **options)


def build(*args, **options):
    return DATASETS.build(partial(*args, **options))


def labels(sample):
    return sample['data_samples'].gt_pts_seg.pts_semantic_mask.numpy()


def names(dataset):
    return [Path(name).stem for name in dataset.names]


def test_hidden_scans_have_the_ignored_label_alone_and_the_others_what_they_had(config):
    whole = DATASETS.build(config.train_dataloader.dataset)
    part = build(config, labeled=['scene0001_00', 'scene0002_01'])
    assert (
        len(part) == len(whole) == SCANS and part.metainfo['classes'] == whole.metainfo['classes']
    )
    for i in range(SCANS):
        np.random.seed(i)
        torch.manual_seed(i)
        all_labels = whole[i]
        np.random.seed(i)
        torch.manual_seed(i)
        sample = part[i]
        assert torch.equal(sample['inputs']['points'], all_labels['inputs']['points'])
        expected = labels(all_labels) if i in (2, 5) else np.full(400, IGNORED)
        assert np.array_equal(labels(sample), expected)
        assert i not in (2, 5) or (labels(sample) != IGNORED).any()


@pytest.mark.parametrize(('labeled', 'count'), [(1, 1), (6, 6), (0.5, 3), (1.0, 6), (0.01, 1)])
def test_number_and_share_say_how_many(config, labeled, count):
    part = build(config, labeled=labeled)
    assert len(part.names) == count
    shown = [(labels(part[i]) != IGNORED).any() for i in range(SCANS)]
    assert sum(shown) == count


def test_the_draw_follows_from_the_seed(config):
    draws = [names(build(config, seed=seed)) for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1] and len({tuple(draw) for draw in draws}) > 2


def rare_class(root):
    """Give scene0001_01 a class of its own, a bathtub, and scene0002_00 a little of it."""
    for name, points in (('scene0001_01', 250), ('scene0002_00', 20)):
        path = root / f'semantic_mask/{name}.bin'
        label = np.fromfile(path, np.int64)
        label[:points] = 36
        label.tofile(path)


@pytest.fixture
def said():
    """What the log says."""

    class Keep(logging.Handler):
        def __init__(self):
            super().__init__()
            self.records = []

        def emit(self, record):
            self.records.append((record.levelname, record.getMessage()))

    handler, logger = Keep(), MMLogger.get_instance('partial-labels', log_level='INFO')
    current = MMLogger.get_current_instance()
    level = current.level
    current.setLevel('INFO')
    for each in {logger, current}:
        each.addHandler(handler)
    yield handler.records
    for each in {logger, current}:
        each.removeHandler(handler)
    current.setLevel(level)


def test_a_class_that_few_scans_have_is_among_the_labeled_ones(config, tmp_path, said):
    rare_class(tmp_path / 'data')
    # the others have about 66 points in each scan
    for seed in range(4):
        assert 'scene0001_01' in names(build(config, labeled=4, seed=seed))
    assert not any(level == 'WARNING' for level, _ in said)
    assert 'PartialLabels: 4 of 6 scans keep their labels: ' in said[0][1]
    blind = [names(build(config, labeled=4, seed=s, stratified=False)) for s in range(8)]
    assert any('scene0001_01' not in drawn for drawn in blind)


def test_classes_that_lack_points_are_named_in_the_log(config, tmp_path, said):
    rare_class(tmp_path / 'data')
    build(config, labeled=['scene0000_00', 'scene0002_00'])
    ((_, message),) = [record for record in said if record[0] == 'WARNING']
    assert 'fewer than 200 labeled points: ' in message and 'bathtub (20)' in message
    assert 'toilet' not in message  # which no scan has
    said.clear()
    build(config, labeled=['scene0000_00', 'scene0002_00'], min_points=20)
    assert not any(level == 'WARNING' for level, _ in said)
    build(config, labeled=['scene0000_00'], min_points=20)
    assert any(level == 'WARNING' and 'bathtub (0)' in message for level, message in said)


def test_masks_are_read_once_and_those_of_hidden_scans_never_again(config, tmp_path, monkeypatch):
    reads, read = [], MaskReader.__call__
    monkeypatch.setattr(
        MaskReader, '__call__', lambda self, path: reads.append(path) or read(self, path)
    )
    part = build(config)
    assert len(reads) == SCANS
    build(config)
    assert len(reads) <= 2 * SCANS  # the spot checks of what is kept beside the info file
    reads.clear()
    blind = build(config, stratified=False, seed=4)
    assert reads == []
    for dataset in (part, blind):
        kept = {Path(name).name for name in dataset.names}
        for path in (tmp_path / 'data/semantic_mask').iterdir():
            if path.name not in kept:
                path.rename(f'{path}.away')
        assert sum((labels(dataset[i]) != IGNORED).any() for i in range(SCANS)) == 2
        for path in (tmp_path / 'data/semantic_mask').glob('*.away'):
            path.rename(str(path).removesuffix('.away'))


def test_a_resampled_list_counts_a_scan_once(config):
    config.train_dataloader.dataset.scene_idxs = [3, 1, 3, 3, 0]
    part = build(config, labeled=['scene0001_01'])
    assert [bool((labels(part[i]) != IGNORED).any()) for i in range(5)] == [1, 0, 1, 1, 0]
    with pytest.raises(ValueError, match='at most the number of scans with masks, 3, but got 4'):
        build(config, labeled=4)


MIXES = {
    'Mix3D': dict(p=1.0),
    'LaserMix': dict(num_areas=[3, 5], pitch_angles=[-60, 60], prob=1.0),
    'PolarMix': dict(instance_classes=[0, 1], swap_ratio=1.0, rotate_paste_ratio=1.0, prob=1.0),
}


@pytest.mark.parametrize('kind', MIXES)
def test_a_scan_that_is_mixed_in_brings_no_hidden_label(config, kind):
    inner = config.train_dataloader.dataset
    *loading, _, _, normalize, pack = inner.pipeline[:3] + inner.pipeline[-4:]
    mark = dict(type='AddPointIdentity')
    steps = [loading[0], mark, *loading[1:]]
    inner.pipeline = [*steps, dict(type=kind, pre_transform=steps, **MIXES[kind]), normalize, pack]
    part = build(config, labeled=['scene0000_00', 'scene0001_01'])
    met = set()
    for seed in range(8):
        for i in range(SCANS):
            np.random.seed(seed)
            sample = part[i]
            scan = sample['inputs']['points'][:, -1].long().numpy()
            hidden = ~np.isin(scan, (0, 3))
            assert (labels(sample)[hidden] == IGNORED).all()
            met.add((bool(hidden.any()), bool((labels(sample) != IGNORED).any())))
    assert (True, True) in met  # a labeled scan with a hidden one in it


def test_views_are_those_of_the_whole_data_set_without_its_labels(config):
    inner = config.train_dataloader.dataset
    replay = dict(type='ReplayViews', views=2, transforms=inner.pipeline[3:])
    inner.pipeline = [*inner.pipeline[:3], replay]
    whole, part = DATASETS.build(inner), build(config, labeled=['scene0000_01'])
    for i in range(SCANS):
        np.random.seed(0)
        all_labels = whole[i]
        np.random.seed(0)
        sample = part[i]
        assert sample['data_samples'].replay == all_labels['data_samples'].replay
        assert torch.equal(sample['inputs']['points'], all_labels['inputs']['points'])
        assert (labels(sample) != IGNORED).any() == (i == 1)


def test_a_cache_of_views_mixed_by_labels_fits_the_training_that_hides_them(tmp_path):
    root = write_scannet(tmp_path / 'data', train=4)
    network = minkunet(16, num_classes=NUM_CLASSES)
    teacher = dict(config=network, checkpoint=save_checkpoint(network, tmp_path / 'teacher.pth'))
    config = replayed_config(root, tmp_path / 'run', teacher, views=2)
    inner = config.train_dataloader.dataset
    mix = dict(type='PolarMix', pre_transform=inner.pipeline[:3], **MIXES['PolarMix'])
    inner.pipeline[-1].transforms.insert(0, mix)
    config.train_dataloader.dataset = partial(config, labeled=1)
    writer = write(config, tmp_path / 'run/cache')
    assert len(writer.scans) == 8
    Runner.from_cfg(config).train()  # every cloud is compared with that of the cache
    rows = losses_of(tmp_path / 'run')
    assert len(rows) == 4 and all(np.isfinite(row['loss']) for row in rows)


def without_masks(root, *names):
    """Leave masks, and what the info file says of them, out."""
    file = root / 'scannet_infos_train.pkl'
    infos = mmengine.load(file)
    for entry in infos['data_list']:
        if Path(entry['lidar_points']['lidar_path']).stem in names:
            os.remove(root / 'semantic_mask' / entry.pop('pts_semantic_mask_path'))
            entry.pop('pts_instance_mask_path')
    mmengine.dump(infos, file)


def test_scans_without_a_mask_are_unlabeled_beside_others(tmp_path):
    root = write_scannet(tmp_path / 'data', train=4)
    without_masks(root, 'scene0000_01', 'scene0001_01')
    network = minkunet(16, num_classes=NUM_CLASSES)
    teacher = dict(config=network, checkpoint=save_checkpoint(network, tmp_path / 'teacher.pth'))
    config = cached_config(root, tmp_path / 'run', teacher, epochs=1)
    config.train_dataloader.dataset = partial(config, labeled=1.0)
    config.train_dataloader.update(
        drop_last=False, batch_sampler=dict(type='LabeledBatchSampler', drop_last=True)
    )
    write(config, tmp_path / 'run/cache')  # one info file, so one cache
    runner = Runner.from_cfg(config)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    assert names(runner.train_dataloader.dataset) == ['scene0000_00', 'scene0001_00']
    check_run(runner)
    runner.train()
    rows = losses_of(tmp_path / 'run')
    assert len(rows) == 2 and all(row['loss_sem_seg'] > 0 and row['loss_kd'] > 0 for row in rows)


def test_a_clean_cache_needs_no_masks(tmp_path):
    root = write_scannet(tmp_path / 'data', train=3)
    shutil.rmtree(root / 'semantic_mask')
    network = minkunet(16, num_classes=NUM_CLASSES)
    teacher = dict(config=network, checkpoint=save_checkpoint(network, tmp_path / 'teacher.pth'))
    config = cached_config(root, tmp_path / 'run', teacher)
    config.train_dataloader.dataset = partial(config, kind='UnlabeledScans')
    assert len(write(config, tmp_path / 'run/cache').scans) == 3


def test_statistics_know_which_scans_are_labeled_and_no_class_of_the_others(config):
    part = build(config, labeled=['scene0000_01', 'scene0002_00'])
    facts = scene_statistics(part)
    assert facts.labeled.tolist() == [False, True, False, False, True, False]
    assert facts.histogram.any(axis=1).tolist() == facts.labeled.tolist()
    assert facts.scene[2] == 'scene0001'
    whole = scene_statistics(DATASETS.build(config.train_dataloader.dataset))
    assert whole.labeled is None
    assert np.array_equal(facts.histogram[1], whole.histogram[1])
    bare = scene_statistics(build(config, kind='UnlabeledScans'))
    assert not bare.labeled.any() and bare.histogram is None and len(bare) == SCANS
    twice = DATASETS.build(
        dict(type='RepeatDataset', times=2, dataset=partial(config, labeled=['scene0000_01']))
    )
    assert scene_statistics(twice).labeled.tolist() == [
        False,
        True,
        *[False] * 5,
        True,
        *[False] * 4,
    ]
    both = DATASETS.build(
        dict(
            type='ConcatDataset',
            datasets=[config.train_dataloader.dataset, partial(config, kind='UnlabeledScans')],
        )
    )
    facts = scene_statistics(both)
    assert facts.labeled.tolist() == [True] * SCANS + [False] * SCANS
    assert np.array_equal(facts.histogram[:SCANS], whole.histogram)
    assert not facts.histogram[SCANS:].any() and facts.classes == whole.classes
    assert facts.take([0, 11]).labeled.tolist() == [True, False]


def test_the_batch_sampler_composes_it(config):
    part = build(config, labeled=1)
    batches = CrossSampleBatchSampler(DefaultSampler(part, seed=0), 3, group_size=2)
    assert sorted(sum(batches, [])) == list(range(SCANS))


@pytest.mark.parametrize('workers', [0, 2])
def test_a_run_trains_on_it_and_the_checks_before_pass(tmp_path, workers):
    root = write_scannet(tmp_path / 'data')
    network = minkunet(16, num_classes=NUM_CLASSES)
    teacher = dict(config=network, checkpoint=save_checkpoint(network, tmp_path / 'teacher.pth'))
    config = distill_config(root, tmp_path / 'run', teacher, epochs=1)
    config.train_dataloader.dataset = partial(config, labeled=1)
    config.train_dataloader.num_workers = workers
    config.train_dataloader.drop_last = False
    config.train_dataloader.batch_sampler = dict(type='CrossSampleBatchSampler', drop_last=True)
    check_config(config)
    runner = Runner.from_cfg(config)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    for path in (root / 'semantic_mask').iterdir():  # nobody asks for masks that are hidden
        if path.stem not in [
            *names(runner.train_dataloader.dataset),
            'scene0003_00',
            'scene0003_01',
        ]:
            os.remove(path)
    check_run(runner)
    runner.train()
    rows = losses_of(tmp_path / 'run')
    assert len(rows) == 3 and all(np.isfinite(row['loss']) and row['loss_kd'] > 0 for row in rows)
    assert sum(row['loss_sem_seg'] > 0 for row in rows) == 1


BARE = {
    'scannet': ('mini-scannet-seg', 6, 'pts_instance_mask_path', 20),
    'semantickitti': ('mini-semantickitti', 4, '', 19),
    'nuscenes': ('mini-nuscenes-lidarseg', 5, '', 16),
}


@pytest.mark.parametrize('form', BARE)
def test_scans_without_masks_load_in_every_form(tmp_path, form):
    from mmengine.config import Config
    from toy_training import REPO

    name, columns, _, ignored = BARE[form]
    dataset = Config.fromfile(REPO / f'configs/_base_/datasets/{name}.py').train_dataloader.dataset
    folder = tmp_path / dataset.data_prefix.get('pts', '')
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for i in range(2):
        cloud = np.random.default_rng(i).random((300, columns)) * 5
        cloud.astype(np.float32).tofile(folder / f'{i}.bin')
        entries.append(dict(lidar_points=dict(lidar_path=f'{i}.bin', num_pts_feats=columns)))
    mmengine.dump(dict(metainfo=dict(dataset='mine'), data_list=entries), tmp_path / 'infos.pkl')
    dataset.update(data_root=f'{tmp_path}/', ann_file='infos.pkl')
    dataset.pop('scene_idxs', None)
    if form == 'scannet':  # mmdet3d's class asks for a list of scenes, ours takes all
        dataset.type = 'ScanNetEverySceneDataset'
    dataset.pipeline = [s for s in dataset.pipeline if s.type != 'LoadPointsFromMultiSweeps']
    bare = DATASETS.build(dict(type='UnlabeledScans', dataset=dataset))
    assert len(bare) == 2
    for i in range(2):
        sample = bare[i]
        count = len(sample['inputs']['points'])
        assert labels(sample).tolist() == [ignored] * count and count > 0
    with pytest.raises(ValueError, match='no pts_semantic_mask_path'):
        DATASETS.build(dataset)[0]
    with pytest.raises(ValueError, match=r'no pts_semantic_mask_path.*UnlabeledScans'):
        DATASETS.build(dict(type='PartialLabels', labeled=1, dataset=dataset))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(labeled=0), 'must be at least 1 scan, but got 0: for none, UnlabeledScans'),
        (dict(labeled=7), 'must be at most the number of scans with masks, 6, but got 7'),
        (dict(labeled=0.0), r'a share of the scans in \(0, 1\] where it is a float, but got 0.0'),
        (dict(labeled=1.5), r'in \(0, 1\] .* but got 1.5; a number of scans is an int'),
        (dict(labeled=float('nan')), r'in \(0, 1\] .* but got nan'),
        (
            dict(labeled=True),
            'a number of scans, a share .* or a list of their names, but got True',
        ),
        (dict(labeled='scene0000_00'), "a list of their names, but got 'scene0000_00'"),
        (dict(labeled=[]), r'a list of their names, but got \[\]'),
        (dict(labeled=[1, 2]), r'a list of their names, but got \[1, 2\]'),
        (
            dict(labeled=['scene0000_00', 'scene001_01']),
            "labeled of PartialLabels names the scan 'scene001_01', which is not among the 6 of "
            "the data set; nearest: 'scene0001_01'",
        ),
        (dict(seed=-1), 'seed of PartialLabels must be an integer >= 0, but got -1'),
        (dict(seed=1.0), 'seed of PartialLabels must be an integer >= 0, but got 1.0'),
        (dict(min_points=0), 'min_points must be a whole number of at least 1, but got 0'),
    ],
)
def test_bad_arguments_are_refused(config, options, message):
    with pytest.raises(ValueError, match=message):
        build(config, **options)


def test_it_goes_around_a_training_set_of_segmentation(config):
    inner = config.train_dataloader.dataset
    with pytest.raises(ValueError, match='must be one for training, but got test_mode=True'):
        DATASETS.build(dict(type='PartialLabels', labeled=1, dataset=config.val_dataloader.dataset))
    repeated = dict(type='RepeatDataset', times=2, dataset=inner)
    match = 'must be a segmentation data set .*, but got RepeatDataset: wrappers .* UnlabeledFrames'
    for kind in (dict(type='PartialLabels', labeled=1), dict(type='UnlabeledScans')):
        with pytest.raises(TypeError, match=match):
            DATASETS.build(dict(kind, dataset=repeated))


def test_loading_can_wait(config):
    part = build(config, lazy_init=True)
    assert part.names == []
    part.full_init()
    part.full_init()
    assert len(part.names) == 2
    assert isinstance(part, UnlabeledScans) and isinstance(part, PartialLabels)
