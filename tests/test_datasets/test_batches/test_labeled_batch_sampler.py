"""Every batch holds labeled scans, all of them alike often, and the rest is as it was."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.runner import Runner
from torch.utils.data import SequentialSampler
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, checkpoint_of, plain_config

from projects.SRKD.datasets import LabeledBatchSampler
from projects.SRKD.datasets.batches.scene_statistics import SceneStatistics
from projects.SRKD.datasets.sample_draws import EpochDraws


def facts(n, labeled, rooms=None, known=True):
    """Statistics of n scans, of which some are labeled."""
    marks = np.zeros(n, bool)
    marks[list(labeled)] = True
    scene = np.array([f'room{i if rooms is None else i % rooms}' for i in range(n)])
    if not known:
        return SceneStatistics(labeled=marks)
    histogram = np.random.default_rng(0).integers(0, 3, (n, 4)) * 100 * marks[:, None]
    return SceneStatistics(scene, np.full(n, np.nan), histogram, tuple('abcd'), marks)


def ranks(monkeypatch, n, world_size, statistics, batch_size=4, seed=0, **kwargs):
    """The batch samplers of all ranks."""
    found = []
    for rank in range(world_size):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, world_size)
        )
        sampler = DefaultSampler(range(n), seed=seed)
        found.append(LabeledBatchSampler(sampler, batch_size, statistics=statistics, **kwargs))
    return found


def epochs(samplers, count):
    """Batches of all ranks, epoch after epoch."""
    for epoch in range(count):
        for sampler in samplers:
            sampler.sampler.set_epoch(epoch)
            yield list(sampler)


LABELED = (5, 17, 40, 41)


@pytest.mark.parametrize('world_size', [1, 3])
@pytest.mark.parametrize('per_batch', [1, 2, 4])
@pytest.mark.parametrize('drop_last', [True, False])
def test_every_batch_has_its_labeled_scans_and_an_epoch_its_batches(
    monkeypatch, world_size, per_batch, drop_last
):
    samplers = ranks(
        monkeypatch, 82, world_size, facts(82, LABELED), labeled_per_batch=per_batch,
        drop_last=drop_last,
    )  # fmt: skip
    for batches in epochs(samplers, 3):
        assert len(batches) == len(samplers[0])
        assert [len(batch) for batch in batches[:-1]] == [4] * (len(batches) - 1)
        for batch in batches:
            found = sum(index in LABELED for index in batch)
            assert found == min(per_batch, len(batch))
            assert len(set(batch)) == len(batch)
            assert all(type(index) is int for index in batch)


@pytest.mark.parametrize('world_size', [1, 2, 3])
@pytest.mark.parametrize('per_batch', [1, 3])
def test_labeled_scans_are_shown_alike_often_at_any_time(monkeypatch, world_size, per_batch):
    samplers = ranks(
        monkeypatch, 80, world_size, facts(80, (3, 9, 77)), labeled_per_batch=per_batch,
        drop_last=True,
    )  # fmt: skip
    shown = Counter()
    for i, batches in enumerate(epochs(samplers, 7)):
        shown.update(index for batch in batches for index in batch if index in (3, 9, 77))
        if i % world_size == world_size - 1:  # an epoch of all ranks is over
            assert max(shown.values()) - min(shown.values()) <= 1


def test_unlabeled_scans_come_once_an_epoch_and_all_in_their_turn(monkeypatch):
    (sampler,) = ranks(monkeypatch, 80, 1, facts(80, LABELED))
    seen = Counter()
    for batches in epochs([sampler], 10):
        unlabeled = Counter(i for batch in batches for i in batch if i not in LABELED)
        assert sum(unlabeled.values()) == 60 and max(unlabeled.values()) == 1
        seen.update(unlabeled)
    assert len(seen) == 76 and min(seen.values()) >= 3


@pytest.mark.parametrize('share', [0.5, 1.0])
def test_many_labeled_scans_keep_their_share(monkeypatch, share):
    labeled = range(int(80 * share))
    (sampler,) = ranks(monkeypatch, 80, 1, facts(80, labeled))
    for batches in epochs([sampler], 3):
        assert Counter(i for batch in batches for i in batch) == Counter(range(80))
        assert all(any(i in labeled for i in batch) for batch in batches)


@pytest.mark.parametrize('n', [1, 2, 5, 9])
@pytest.mark.parametrize('world_size', [1, 4])
def test_few_scans_are_enough(monkeypatch, n, world_size):
    for batches in epochs(ranks(monkeypatch, n, world_size, facts(n, [0])), 3):
        assert all(0 in batch for batch in batches)
        assert sum(map(len, batches)) == -(-n // world_size)


def test_batches_follow_from_seed_epoch_and_rank(monkeypatch):
    def run(seed=0, epoch=0, rank=0, own_seed=None):
        sampler = SequentialSampler(range(60))
        sampler.seed, sampler.epoch, sampler.rank = seed, epoch, rank
        return list(LabeledBatchSampler(sampler, 4, statistics=facts(60, LABELED), seed=own_seed))

    assert run() == run()
    assert run() != run(seed=1) and run() != run(epoch=1) and run() != run(rank=1)
    assert run(seed=5) == run(seed=0, own_seed=5)


def test_a_resumed_run_goes_on_as_the_first(monkeypatch):
    def later(epoch):
        (sampler,) = ranks(monkeypatch, 82, 1, facts(82, LABELED))
        sampler.sampler.set_epoch(epoch)
        return list(sampler)

    (sampler,) = ranks(monkeypatch, 82, 1, facts(82, LABELED))
    assert list(epochs([sampler], 5)) == [later(epoch) for epoch in range(5)]


def test_scans_of_one_place_are_kept_apart(monkeypatch):
    # scans 0 to 19 and 20 to 39 show the same twenty rooms
    (sampler,) = ranks(monkeypatch, 40, 1, facts(40, (0, 1, 2, 3), rooms=20))
    pairs = 0
    for batches in epochs([sampler], 5):
        met = sum(len(batch) - len({i % 20 for i in batch}) for batch in batches)
        assert met == sampler.relaxed_pairs
        pairs += met
    assert pairs <= 1  # of fifty batches


def test_without_scenes_batches_have_labeled_scans_as_well(monkeypatch):
    with pytest.warns(UserWarning, match='its batches are plain'):
        (sampler,) = ranks(monkeypatch, 21, 1, facts(21, (4, 5), known=False))
    for batches in epochs([sampler], 2):
        assert all({4, 5} & set(batch) for batch in batches) and len(batches) == 6


def test_an_endless_sampler_has_labeled_scans_in_every_batch():
    sampler = InfiniteSampler(range(30), seed=0)
    batches = list(islice(LabeledBatchSampler(sampler, 4, statistics=facts(30, (3, 9))), 100))
    assert all(len(batch) == 4 and {3, 9} & set(batch) for batch in batches)
    shown = Counter(i for batch in batches for i in batch)
    assert len(shown) == 30 and abs(shown[3] - shown[9]) <= 3


def test_no_two_draws_of_a_labeled_scan_are_alike_on_any_rank(monkeypatch):
    samplers = ranks(monkeypatch, 80, 3, facts(80, LABELED), drop_last=True)
    for epoch in range(2):
        draws = []
        for sampler in samplers:
            sampler.sampler.set_epoch(epoch)
            own = EpochDraws(sampler)
            own.epoch = epoch
            draws += [draw for batch in own for draw in batch]
        assert len(set(draws)) == len(draws) == 72
        for scan in LABELED:  # numbered from 0, as one rank would number them
            repeats = sorted(draw.repeat for draw in draws if draw.index == scan)
            assert repeats == list(range(len(repeats)))


def test_mmengine_builds_it_around_a_partly_labeled_data_set(tmp_path):
    write_scannet(tmp_path / 'data', train=6)
    config = plain_config(tmp_path / 'data', tmp_path, minkunet(num_classes=NUM_CLASSES))
    dataset = DATASETS.build(
        dict(type='PartialLabels', dataset=config.train_dataloader.dataset, labeled=1, seed=2)
    )
    loader = Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='LabeledBatchSampler', drop_last=True),
        ),
        seed=3,
    )
    assert len(loader) == 3
    for batch in loader:
        labels = [sample.gt_pts_seg.pts_semantic_mask for sample in batch['data_samples']]
        assert sum(bool((label != 20).any()) for label in labels) == 1


def test_a_run_that_is_resumed_ends_with_the_same_weights(tmp_path):
    write_scannet(tmp_path / 'data', train=6)
    weights = []
    for name, resumed in (('whole', False), ('rest', True)):
        config = plain_config(
            tmp_path / 'data', tmp_path / name, minkunet(num_classes=NUM_CLASSES), epochs=3
        )
        inner = config.train_dataloader.dataset.to_dict()
        config.train_dataloader.dataset = dict(type='PartialLabels', dataset=inner, labeled=2)
        batches = dict(type='LabeledBatchSampler', drop_last=True)
        config.train_dataloader.update(batch_sampler=batches, drop_last=False)
        if resumed:
            config.update(resume=True, load_from=f'{tmp_path}/whole/epoch_1.pth')
        Runner.from_cfg(config).train()
        weights.append(checkpoint_of(tmp_path / name, 3)['state_dict'])
    assert all(torch.equal(weights[1][key], value) for key, value in weights[0].items())


@pytest.mark.parametrize(
    ('labeled', 'options', 'message'),
    [
        ((), {}, 'none of the 9 scans of the data set is labeled, .* take CrossSampleBatchSampler'),
        ((1, 2), dict(labeled_per_batch=3), 'a whole number from 1 to 2 with batches of 4 and 2 l'),
        (range(9), dict(labeled_per_batch=5), 'from 1 to 4 with batches of 4 .* but got 5'),
        ((1,), dict(labeled_per_batch=0), 'but got 0'),
        ((1,), dict(labeled_per_batch=True), 'but got True'),
        ((1,), dict(labeled_per_batch=1.0), r'but got 1\.0'),
    ],
)
def test_bad_arguments_are_refused(labeled, options, message):
    with pytest.raises(ValueError, match=message):
        LabeledBatchSampler(SequentialSampler(range(9)), 4, statistics=facts(9, labeled), **options)


def test_a_data_set_with_all_labels_is_taken_as_it_is():
    statistics = SceneStatistics(np.array(list('abcdefg')), np.full(7, np.nan))
    batches = list(LabeledBatchSampler(SequentialSampler(range(7)), 2, statistics=statistics))
    assert sorted(sum(batches, [])) == list(range(7))
