"""Chosen views: candidates of ReplayViews, in the order of a file."""

import json

import pytest
import torch
from mmdet3d.registry import DATASETS
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, plain_config

from projects.SRKD.datasets.chosen_views import ChosenViews

SCANS, CANDIDATES = 3, 5
ORDER = [[3, 1, 0, 4, 2], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]
JITTER = dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1])


@pytest.fixture
def config(tmp_path):
    write_scannet(tmp_path / 'data', train=SCANS)
    return plain_config(tmp_path / 'data', tmp_path, minkunet(num_classes=NUM_CLASSES))


def dataset(config, **replay):
    """The training set of a config, its loaded scans shown in views."""
    own = config.train_dataloader.dataset
    replay = dict(transforms=[JITTER, own.pipeline[-1]]) | replay
    return DATASETS.build(dict(own, pipeline=[*own.pipeline[:3], replay]))


def candidates(config):
    return dataset(config, type='ReplayViews', views=CANDIDATES, seed=2)


def chosen(config, choice, **options):
    options = dict(candidates=CANDIDATES, views=2, seed=2) | options
    return dataset(config, type='ChosenViews', choice=str(choice), **options)


@pytest.fixture
def choice(config, tmp_path):
    """A choice of hand, as the tool would write it."""
    data = candidates(config)
    paths = [data.get_data_info(i)['lidar_points']['lidar_path'] for i in range(SCANS)]
    names = [path.split('data/', 1)[1] for path in paths]
    facts = data.pipeline.transforms[-1].facts
    content = facts | dict(finished=True, path=names, scan=[0, 1, 2], order=ORDER)
    (tmp_path / 'choice.json').write_text(json.dumps(content))
    return tmp_path / 'choice.json'


def edit(choice, **changes):
    choice.write_text(json.dumps(json.loads(choice.read_text()) | changes))


def shown(data, scan, view):
    """One view of a scan."""
    *loading, replay = data.pipeline.transforms
    results = dict(data.get_data_info(scan), dataset=data)
    for step in loading:
        results = step(results)
    return replay.replay(results, view)


def test_its_views_are_the_candidates_that_the_file_names(config, choice):
    data, all_views = chosen(config, choice), candidates(config)
    for scan in range(SCANS):
        for view in range(2):
            sample = shown(data, scan, view)
            expected = shown(all_views, scan, ORDER[scan][view])
            assert torch.equal(sample['inputs']['points'], expected['inputs']['points'])
            replay = sample['data_samples'].replay
            assert replay == data.pipeline.transforms[-1].facts | dict(scan=scan, view=view)


def test_scans_that_a_list_repeats_have_one_choice(config, choice):
    config.train_dataloader.dataset.scene_idxs = [2, 2, 0]
    data = candidates(config)
    names = [data.get_data_info(i)['lidar_points']['lidar_path'] for i in (0, 2)]
    edit(choice, path=names, scan=[0, 0, 1], order=ORDER[:2])
    sample, expected = shown(chosen(config, choice), 2, 0), shown(data, 2, ORDER[1][0])
    assert torch.equal(sample['inputs']['points'], expected['inputs']['points'])


def test_the_digest_follows_the_choice_and_not_the_number_of_views(config, choice):
    def told(**options):
        return chosen(config, choice, **options).pipeline.transforms[-1].facts

    first = told()
    assert told(views=3) == first | dict(views=3)
    edit(choice, order=ORDER[::-1])
    assert told()['augmentation'] != first['augmentation']


@pytest.mark.parametrize('count', [1, 2.0, None])
def test_candidates_are_at_least_as_many_as_views(config, choice, count):
    match = f'candidates of ChosenViews must be an integer of at least 2, .*, but got {count}'
    with pytest.raises(ValueError, match=match):
        chosen(config, choice, candidates=count)
    with pytest.raises(ValueError, match=match):
        ChosenViews.candidate_views(dict(transforms=[], candidates=count, views=2))


def test_no_count_of_views_is_refused_by_its_own_name(config, choice):
    with pytest.raises(ValueError, match='views of ChosenViews must be an integer of at least 1'):
        chosen(config, choice, views=0)


def test_a_choice_that_is_not_there_is_refused(config, tmp_path):
    match = 'choice of views .*gone.json does not exist: write it with python tools/cache_teacher'
    with pytest.raises(FileNotFoundError, match=match):
        chosen(config, tmp_path / 'gone.json')


def test_an_unfinished_choice_is_refused(config, choice):
    edit(choice, finished=False, order=ORDER[:2])
    with pytest.raises(ValueError, match='is unfinished: run .* again, it goes on where it'):
        chosen(config, choice)


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(candidates=8), 'candidates 5 there, 8 here'),
        (dict(seed=0), 'seed 2 there, 0 here'),
        (dict(transforms=[JITTER, JITTER]), r'transforms \(digest\) \w+ there, \w+ here'),
    ],
)
def test_a_choice_from_other_candidates_is_refused(config, choice, options, match):
    with pytest.raises(ValueError, match=f'choice.json was made from other candidates: {match}; '):
        chosen(config, choice, **options)


DAMAGES = {
    'path, scan and order must be lists': dict(order=None),
    'scan must name scans that there are': dict(scan=[0, 1, 3]),
    'order must name each candidate of a scan once': dict(order=[*ORDER[:2], [0, 1, 2, 3, 3]]),
    'order must name each candidate of a scan': dict(order=[*ORDER[:2], [0, '1', 2, 3, 4]]),
    'finished must say whether order has all scans': dict(order=ORDER[:2]),
}


@pytest.mark.parametrize('match', DAMAGES)
def test_a_damaged_choice_is_refused(config, choice, match):
    edit(choice, **DAMAGES[match])
    with pytest.raises(ValueError, match=f'choice.json is damaged .{match}.*: delete it and run'):
        chosen(config, choice)


def test_half_a_file_is_refused(config, choice):
    choice.write_text(choice.read_text()[:-20])
    with pytest.raises(ValueError, match='choice of views .*choice.json is no JSON: .*: delete it'):
        chosen(config, choice)


@pytest.mark.parametrize('scans', [[1, 0, 2], [0, 1, 2, 0]])
def test_a_choice_for_other_scans_is_refused(config, choice, scans):
    config.train_dataloader.dataset.scene_idxs = scans
    data = chosen(config, choice)
    slot = next(i for i in range(len(scans)) if scans[i : i + 1] != [i])
    match = f'made for other data: scan {slot} of the data set was .* there and is .*; write one'
    with pytest.raises(ValueError, match=match):
        shown(data, slot, 0)


def test_candidates_are_the_views_of_a_plain_replay():
    config = dict(type='ChosenViews', transforms=[JITTER], choice='a', candidates=9, views=2)
    plain = dict(type='ReplayViews', transforms=[JITTER], views=9)
    assert ChosenViews.candidate_views(config) == plain
    assert ChosenViews.candidate_views(config | dict(seed=3)) == plain | dict(seed=3)
