"""What a sample draws, by whom it is fetched and in which company."""

import pickle
import random
from itertools import islice

import numpy as np
import torch
from mmengine.dataset import BaseDataset, DefaultSampler, InfiniteSampler, RepeatDataset
from torch.utils.data import BatchSampler, DataLoader

from projects.SRKD.datasets.sample_draws import (
    Draw,
    EpochDraws,
    SampleFetcher,
    endless_draws,
    with_batches,
)


class Drawing(BaseDataset):
    """Samples that draw from every generator, mix with another one and fail now and then."""

    def load_data_list(self):
        return [dict(number=number) for number in range(8)]

    def prepare_data(self, index):
        if random.random() < 0.3:
            return None  # as a scan whose boxes are all cropped away: the data set tries another
        partner = self.get_data_info(np.random.randint(len(self)))
        drawn = np.random.rand(), random.random(), torch.rand(()).item()
        return dict(index=index, partner=partner['number'], drawn=drawn)


def fetched(draws, seed=3, dataset=None):
    dataset = dataset or Drawing()
    SampleFetcher.install(dataset, seed)
    return dataset.__getitems__(draws)


def test_a_sample_is_the_same_in_any_company_and_order():
    draws = [Draw(index, epoch) for epoch in range(2) for index in range(8)]
    expected = dict(zip(draws, fetched(draws)))
    assert len({sample['drawn'] for sample in expected.values()}) == len(draws)
    for sample, draw in zip(fetched(draws[::-3]), draws[::-3]):
        assert sample == expected[draw]
    assert {sample['partner'] for sample in expected.values()} > {0, 1}
    assert any(sample['index'] != draw.index for draw, sample in expected.items())  # tried again


def test_seeds_and_repeats_within_an_epoch_draw_anew():
    one, again, repeat = fetched([Draw(0), Draw(0), Draw(0, repeat=1)])
    assert one == again and one['drawn'] != repeat['drawn']
    assert fetched([Draw(0)], seed=4)[0]['drawn'] != one['drawn']


def test_repeats_of_a_repeated_data_set_differ():
    dataset = RepeatDataset(Drawing(), times=2)
    one, other = fetched([Draw(1), Draw(9)], dataset=dataset)
    assert one['drawn'] != other['drawn']


def test_fetching_leaves_the_generators_of_its_process_alone():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    fetched([Draw(0), Draw(1)])
    assert states() == before


def test_plain_indices_are_samples_of_epoch_0():
    assert fetched([2]) == fetched([Draw(2)])


def test_batches_become_draws_of_their_epoch():
    sampler = DefaultSampler(range(4), shuffle=False)
    draws = EpochDraws(BatchSampler([0, 1, 0, 2], batch_size=2, drop_last=False))
    draws.epoch = 5
    assert list(draws) == [[(0, 5, 0), (1, 5, 0)], [(0, 5, 1), (2, 5, 0)]]
    assert len(draws) == 2
    assert EpochDraws(BatchSampler(sampler, 2, False)).sampler is sampler


def test_an_endless_stream_never_repeats_a_draw_and_ranks_share_its_places():
    def stream(rank, world):
        sampler = InfiniteSampler(range(5), seed=1)
        sampler.rank, sampler.world_size = rank, world
        sampler.indices = sampler._indices_of_rank()
        draws = endless_draws(BatchSampler(sampler, 2, False), rank, world)
        return [draw for batch in islice(draws, 12 // world) for draw in batch]

    alone, first, second = stream(0, 1), stream(0, 2), stream(1, 2)
    assert len(set(alone)) == 24
    assert sorted(first + second) == sorted(alone)


def test_a_finite_sampler_is_shuffled_anew_in_each_pass():
    draws = endless_draws(BatchSampler(DefaultSampler(range(6), seed=1), 6, False))
    passes = [[draw.index for draw in batch] for batch in islice(draws, 3)]
    assert len({tuple(order) for order in passes}) == 3
    assert all(sorted(order) == list(range(6)) for order in passes)


def test_a_loader_over_other_batches_keeps_everything_else():
    loader = DataLoader(range(6), batch_size=2, num_workers=1, collate_fn=sum, prefetch_factor=3)
    other = with_batches(loader, [[1, 2], [3]])
    assert other.prefetch_factor == 3 and other.dataset is loader.dataset
    assert list(other) == [3, 3]
    assert list(loader) == [1, 5, 9]


def test_a_data_set_with_a_fetcher_can_be_sent_to_a_new_process():
    dataset = Drawing()
    SampleFetcher.install(dataset, 3)
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent.__getitems__([Draw(1)]) == dataset.__getitems__([Draw(1)])
    assert sent.__getitems__.dataset is sent
