"""The batch sampler under mmengine's contract, on one and several ranks."""

import os
import warnings
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.hooks import DistSamplerSeedHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from processes import run_group
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from projects.SRKD.datasets.batches.cross_sample_batch_sampler import CrossSampleBatchSampler
from projects.SRKD.datasets.batches.scene_statistics import SceneStatistics
from projects.SRKD.engine import batch_composition_hook  # noqa: F401 - registers the hook


def facts(n, n_rooms=7, n_classes=5, seed=0):
    rng = np.random.default_rng(seed)
    rooms = rng.integers(n_rooms, size=n)
    return SceneStatistics(
        scene=np.array([f'scene{room:04d}' for room in rooms], dtype=str),
        time=np.full(n, np.nan),
        classes=tuple('abcde'[:n_classes]),
        histogram=rng.integers(0, 3, size=(n, n_classes)) * 100,
    )


def rank_sampler(monkeypatch, n, rank=0, world_size=1, seed=0, **kwargs):
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world_size))
    return DefaultSampler(range(n), seed=seed, **kwargs)


def flat(batches):
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize('n', [1, 5, 16, 61])
@pytest.mark.parametrize('world_size', [1, 3])
@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_each_rank_regroups_exactly_what_its_sampler_yields(
    monkeypatch, n, world_size, round_up, batch_size
):
    for rank in range(world_size):
        sampler = rank_sampler(monkeypatch, n, rank, world_size, round_up=round_up)
        batches = CrossSampleBatchSampler(sampler, batch_size, statistics=facts(n))
        for epoch in range(3):
            sampler.set_epoch(epoch)
            found = list(batches)
            assert Counter(flat(found)) == Counter(sampler)
            assert len(found) == len(batches)
            assert all(len(batch) == batch_size for batch in found[:-1])
            assert all(type(index) is int for index in flat(found))


@pytest.mark.parametrize('n', [3, 16, 61])
@pytest.mark.parametrize('batch_size', [2, 8])
def test_drop_last_leaves_out_the_last_indices_of_the_sampler(monkeypatch, n, batch_size):
    sampler = rank_sampler(monkeypatch, n)
    batches = CrossSampleBatchSampler(sampler, batch_size, drop_last=True, statistics=facts(n))
    kept = list(sampler)[: n - n % batch_size]
    assert Counter(flat(batches)) == Counter(kept)
    assert len(list(batches)) == len(batches) == n // batch_size


def test_batches_follow_from_seed_epoch_and_rank(monkeypatch):
    def run(seed=0, epoch=0, rank=0, own_seed=None):
        sampler = SequentialSampler(range(60))
        sampler.seed, sampler.epoch, sampler.rank = seed, epoch, rank
        return list(CrossSampleBatchSampler(sampler, 4, statistics=facts(60), seed=own_seed))

    assert run() == run()
    assert run() != run(seed=1)
    assert run() != run(epoch=1)
    assert run() != run(rank=1)
    assert run(seed=5) == run(seed=0, own_seed=5)


def test_crops_of_one_room_are_kept_apart_and_rooms_with_one_furniture_meet():
    scene = np.repeat(['bath1', 'bath2', 'office1', 'office2'], 2)
    histogram = np.repeat([[9, 1, 0], [9, 1, 0], [9, 0, 1], [9, 0, 1]], 2, axis=0)
    statistics = SceneStatistics(scene, np.full(8, np.nan), histogram, ('wall', 'tub', 'desk'))
    batches = CrossSampleBatchSampler(
        SequentialSampler(range(8)), 2, group_size=2, statistics=statistics
    )
    met = Counter(tuple(sorted(scene[batch])) for batch in batches)
    assert met == {('bath1', 'bath2'): 2, ('office1', 'office2'): 2}
    assert batches.relaxed_pairs == 0


def test_pairs_of_one_room_are_counted_when_there_is_but_one():
    statistics = SceneStatistics(np.array(['a'] * 6), np.full(6, np.nan))
    batches = CrossSampleBatchSampler(SequentialSampler(range(6)), 3, statistics=statistics)
    assert sorted(flat(batches)) == list(range(6))
    assert batches.relaxed_pairs == 6


def test_the_window_is_the_users(monkeypatch):
    statistics = SceneStatistics(np.array(['drive'] * 4), np.array([0.0, 1.0, 10.0, 11.0]))

    def pairs(window):
        batches = CrossSampleBatchSampler(
            SequentialSampler(range(4)), 2, window=window, statistics=statistics
        )
        return {abs(a - b) for a, b in batches}, batches.relaxed_pairs

    assert pairs(5.0) == ({2}, 0)
    assert pairs(10.5)[1] == 1  # only the first and the last frame are so far apart
    assert pairs(0.0)[1] == 0


@pytest.mark.parametrize('batch_size', [1, 4, 25])
def test_an_infinite_sampler_loses_nothing(batch_size):
    sampler = InfiniteSampler(range(10), seed=0)
    stream = InfiniteSampler(range(10), seed=0)
    batches = CrossSampleBatchSampler(sampler, batch_size, statistics=facts(10))
    taken = list(islice(batches, 50))
    assert all(len(batch) == batch_size for batch in taken)
    # stretches are whole, so what is missing or ahead stays within one stretch
    seen, offered = Counter(flat(taken)), Counter(islice(stream, 50 * batch_size))
    assert sum((offered - seen).values()) <= max(10, batch_size)
    assert len(batches) == -(-10 // batch_size)


def test_repetitions_of_an_infinite_sampler_do_not_meet():
    batches = CrossSampleBatchSampler(
        InfiniteSampler(range(10), seed=0),
        4,
        statistics=SceneStatistics(histogram=np.ones((10, 2), int)),
    )
    assert all(len(set(batch)) == 4 for batch in islice(batches, 100))


def test_without_scenes_and_classes_batches_are_plain_with_one_warning():
    with pytest.warns(UserWarning) as caught:
        batches = CrossSampleBatchSampler(SequentialSampler(range(5)), 2)
        assert list(batches) == list(batches) == [[0, 1], [2, 3], [4]]
    messages = [str(w.message) for w in caught if 'CrossSample' in str(w.message)]
    assert messages == [
        'CrossSampleBatchSampler finds neither scenes (no lidar_path) nor classes '
        '(no semantic masks) in this data set, so its batches are plain.'
    ]


def test_it_reads_the_data_set_behind_any_sampler(write_scannet):
    dataset = write_scannet({f'scene{i // 2:04d}_0{i % 2}': [1] for i in range(6)})
    for sampler in (DefaultSampler(dataset, seed=0), RandomSampler(dataset)):
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            batches = CrossSampleBatchSampler(sampler, 3)
        assert all(len({i // 2 for i in batch}) == 3 for batch in batches)


def test_mmengine_builds_it_and_sets_its_epoch(write_scannet):
    dataset = write_scannet({f'scene{i:04d}_00': [1, 2] for i in range(9)})
    loader = Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True),
        ),
        seed=3,
    )
    batches = loader.batch_sampler
    assert isinstance(batches, CrossSampleBatchSampler) and isinstance(batches, BatchSampler)
    assert batches.sampler.seed == 3 and len(loader) == 4

    class FakeRunner:
        class train_loop:
            dataloader = loader

    epochs = []
    for FakeRunner.epoch in (0, 1, 0):
        DistSamplerSeedHook().before_train_epoch(FakeRunner)
        epochs.append(list(batches))
    assert epochs[0] == epochs[2] != epochs[1]
    batch = next(iter(loader))
    assert len(batch['data_samples']) == 2
    assert DATA_SAMPLERS.get('CrossSampleBatchSampler') is CrossSampleBatchSampler


class Heedless(BaseModel):
    """Takes any batch and learns nothing."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, inputs, data_samples, mode='loss'):
        return dict(loss=self.weight * len(data_samples))


def test_a_runner_trains_on_pairs_of_different_rooms_and_says_so(write_scannet, tmp_path):
    # furniture in pairs of rooms: {chair} twice, {floor} twice, each room scanned twice
    dataset = write_scannet(
        {f'scene{i // 2:04d}_0{i % 2}': [5] if i < 4 else [2] for i in range(8)}
    )
    runner = Runner(
        Heedless(),
        work_dir=str(tmp_path / 'run'),
        experiment_name='heedless',
        train_dataloader=dict(
            dataset=dataset,
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler'),
            batch_sampler=dict(type='CrossSampleBatchSampler', group_size=2),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_scope='mmdet3d',
        custom_hooks=[dict(type='BatchCompositionHook', interval=4)],
        default_hooks=dict(checkpoint=None),
    )
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert scalars['train/cross_scene_pairs'].current() == 1.0
    assert scalars['train/class_overlap'].current() == 1.0


def test_a_plain_loader_takes_it():
    sampler = CrossSampleBatchSampler(SequentialSampler(range(7)), 3, statistics=facts(7))
    loader = DataLoader(list(range(7)), batch_sampler=sampler)
    assert sorted(i for batch in loader for i in batch.tolist()) == list(range(7))


@pytest.mark.parametrize(
    'change, error, message',
    [
        (dict(sampler=[0, 1]), TypeError, 'sampler must be a torch Sampler, but got'),
        (
            dict(batch_size=0),
            ValueError,
            'batch_size must be a positive integer, but got batch_size=0',
        ),
        (dict(batch_size=2.0), ValueError, 'but got batch_size=2.0'),
        (dict(batch_size=True), ValueError, 'but got batch_size=True'),
        (dict(candidates=0), ValueError, 'candidates must be a positive integer'),
        (
            dict(seed=-1),
            ValueError,
            'seed must be a whole number of at least 0 or None, but got -1',
        ),
        (
            dict(window=-1),
            ValueError,
            'window must be a number of seconds >= 0, but got window=-1',
        ),
        (
            dict(statistics=facts(3)),
            ValueError,
            'must cover the 5 scans of the data set, but got those of 3',
        ),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    arguments = dict(sampler=SequentialSampler(range(5)), batch_size=2, statistics=facts(5))
    with pytest.raises(error, match=message):
        CrossSampleBatchSampler(**{**arguments, **change})


def test_a_data_set_that_grew_is_noticed():
    sampler = SequentialSampler(list(range(5)))
    batches = CrossSampleBatchSampler(sampler, 2, statistics=facts(5))
    sampler.data_source.append(5)
    with pytest.raises(IndexError, match='index 5, but the statistics cover 5 scans'):
        list(batches)


def _rank(rank, dataset):
    from projects.SRKD.datasets.batches.class_histogram import MaskReader

    reads = []
    read = MaskReader.__call__
    MaskReader.__call__ = lambda self, path: reads.append(path) or read(self, path)
    try:
        sampler = CrossSampleBatchSampler(DefaultSampler(dataset, seed=0), 2)
        return list(sampler), len(reads)
    except FileNotFoundError as error:
        return str(error), len(reads)


@pytest.mark.parametrize('broken', [False, True])
def test_one_rank_reads_the_masks_and_all_share_the_result(write_scannet, broken):
    dataset = write_scannet({f'scene{i // 2:04d}_0{i % 2}': [1, 2] for i in range(8)})
    if broken:
        os.remove(dataset.data_list[5]['pts_semantic_mask_path'])
    answers = run_group(_rank, 2, dataset)
    if broken:
        assert all('scene0002_01.bin, which does not exist' in answer for answer, _ in answers)
        return
    (first, first_reads), (second, second_reads) = answers
    assert (first_reads, second_reads) == (8, 0)
    assert sorted(flat(first + second)) == list(range(8))
    assert first != second
