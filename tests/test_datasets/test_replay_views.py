"""Views: the same cloud whenever they are shown, and no trace of their draws outside."""

import random

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmdet3d.structures import Det3DDataSample
from torch.utils.data import DataLoader
from toy import minkunet, write_scannet
from toy_training import NUM_CLASSES, plain_config

from projects.SRKD.datasets.replay_views import ReplayViews

SCANS, VIEWS = 4, 3
JITTER = dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1])
DROPOUT = dict(type='RandomPointDropout', ratio=0.3, p=1.0)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scans')
    write_scannet(folder / 'data', train=SCANS)
    return plain_config(folder / 'data', folder, minkunet(num_classes=NUM_CLASSES))


def dataset(config, *transforms, pack=True, **options):
    """The training set of a config, its loaded scans shown in views."""
    own = config.train_dataloader.dataset
    transforms = [*transforms, own.pipeline[-1]] if pack else list(transforms)
    replay = dict(type='ReplayViews', transforms=transforms, **dict(views=VIEWS) | options)
    return DATASETS.build(dict(own, pipeline=[*own.pipeline[:3], replay]))


def cloud(sample):
    """Points with their labels, ``(n, 7)``."""
    label = sample['data_samples'].gt_pts_seg.pts_semantic_mask
    return torch.cat([sample['inputs']['points'], label[:, None].float()], 1)


def views(data, scan=0) -> list[torch.Tensor]:
    """All views of a scan."""
    *loading, replay = data.pipeline.transforms
    found = []
    for view in range(VIEWS):
        results = dict(data.get_data_info(scan), dataset=data)
        for step in loading:
            results = step(results)
        found.append(cloud(replay.replay(results, view)))
    return found


def differ(clouds) -> bool:
    """Whether no two clouds are equal."""
    return not any(torch.equal(one, other) for i, one in enumerate(clouds) for other in clouds[:i])


def mixing(config, type, **options):
    return dict(type=type, pre_transform=config.train_dataloader.dataset.pipeline[:3], **options)


DRAWING = {
    'flips, rotation, scale': lambda config: config.train_dataloader.dataset.pipeline[3:5],
    'jitter': lambda config: [JITTER],
    'dropout': lambda config: [DROPOUT],
    'sphere': lambda config: [dict(type='SphereCrop', max_points=100)],
    'shuffle': lambda config: [dict(type='PointShuffle')],
    'sample': lambda config: [dict(type='PointSample', num_points=50)],
    'elastic': lambda config: [dict(type='ElasticDistortion', p=1.0)],
    'colors': lambda config: [dict(type='ChromaticJitter', p=1.0)],
    'choice': lambda config: [
        dict(type='RandomChoice', transforms=[[JITTER], [DROPOUT], [dict(type='PointShuffle')]])
    ],
    'Mix3D': lambda config: [mixing(config, 'Mix3D', p=1.0), JITTER],
    'LaserMix': lambda config: [
        mixing(config, 'LaserMix', num_areas=[3, 5], pitch_angles=[-60, 60]), JITTER
    ],
    'PolarMix': lambda config: [
        mixing(config, 'PolarMix', instance_classes=[0, 1], swap_ratio=1.0), JITTER
    ],
}  # fmt: skip


@pytest.mark.parametrize('kind', DRAWING)
def test_a_view_is_the_same_whenever_it_is_shown_and_no_other_view(config, kind):
    seen = views(dataset(config, *DRAWING[kind](config)))
    assert differ(seen) or kind == 'choice'  # two views may draw the same choice
    np.random.seed(99)
    torch.manual_seed(99)
    random.seed(99)
    again = views(dataset(config, *DRAWING[kind](config)))
    assert all(map(torch.equal, seen, again))


def test_views_follow_seed_and_scan(config):
    plain, other = (dataset(config, JITTER, seed=seed) for seed in (0, 1))
    assert differ([*views(plain), *views(other)])
    raw = dataset(config)
    jitter = [view - same for scan in (0, 1)
              for view, same in zip(views(plain, scan), views(raw, scan))]  # fmt: skip
    assert differ(jitter)


def test_a_sample_says_which_view_it_is(config):
    data = dataset(config, JITTER, seed=5)
    facts = data.pipeline.transforms[-1].facts
    for scan in range(SCANS):
        sample = data[scan]
        replay = sample['data_samples'].replay
        assert replay == dict(facts, scan=scan, view=replay['view'])
        assert torch.equal(cloud(sample), views(data, scan)[replay['view']])
    assert facts['views'] == VIEWS and facts['seed'] == 5


def test_the_digest_follows_the_transforms_alone(config):
    digests = [
        dataset(config, *steps, **options).pipeline.transforms[-1].facts['augmentation']
        for steps, options in (
            ([JITTER], {}),
            ([JITTER], dict(views=9, seed=9)),
            ([JITTER, DROPOUT], {}),
            ([dict(JITTER, jitter_std=[0.1] * 3)], {}),
        )
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


def states() -> list[str]:
    numpy = np.random.get_state()
    return [str(random.getstate()), str(numpy[1].tolist() + list(numpy[2:])),
            str(torch.get_rng_state().tolist())]  # fmt: skip


def test_generators_go_on_as_if_only_the_view_had_been_drawn():
    def draw(results):
        drawn.append((random.random(), np.random.rand(), torch.rand(()).item()))
        return results

    def show(name):
        points = dict(lidar_path=f'somewhere/{name}.bin')
        results = dict(sample_idx=0, lidar_points=points, data_samples=Det3DDataSample())
        return replay(results)['data_samples'].replay['view']

    drawn, replay = [], ReplayViews([draw], views=2)
    np.random.seed(4)
    expected = [np.random.randint(2) for _ in range(6)], states()
    np.random.seed(4)
    assert ([show(name) for name in 'aaaabb'], states()) == expected
    shown = [*zip('aaaabb', expected[0])]
    assert 2 < len(set(shown)) < 6
    assert len(set(zip(shown, drawn))) == len(set(shown)) == len(set(drawn))


def test_states_are_put_back_when_a_transform_fails():
    def fail(results):
        np.random.rand(), random.random(), torch.rand(3)
        raise KeyError('no such thing')

    before = states()
    with pytest.raises(KeyError):
        ReplayViews([fail]).replay(dict(sample_idx=0, lidar_points=dict(lidar_path='a.bin')), 0)
    assert states() == before


def test_a_scan_that_a_transform_gives_up_is_given_up():
    results = dict(sample_idx=0, lidar_points=dict(lidar_path='a.bin'))
    assert ReplayViews([lambda results: None]).replay(results, 0) is None


def test_workers_and_epochs_show_different_views(config):
    data = dataset(config, JITTER)
    data.full_init()
    epochs = []
    for epoch in range(6):
        loader = DataLoader(
            data,
            batch_size=1,
            num_workers=2,
            collate_fn=lambda batch: batch[0]['data_samples'].replay['view'],
            worker_init_fn=lambda worker, epoch=epoch: np.random.seed(2 * epoch + worker),
        )
        epochs.append(list(loader))
    assert len({tuple(shown) for shown in epochs}) > 3
    for scan in range(SCANS):
        assert len({shown[scan] for shown in epochs}) > 1
    assert any(shown[0::2] != shown[1::2] for shown in epochs)  # of one worker and the other


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(views=0), 'views of ReplayViews must be an integer of at least 1, but got 0'),
        (dict(views=2.0), 'views of ReplayViews must be an integer of at least 1, but got 2.0'),
        (dict(seed=-1), 'seed of ReplayViews must be an integer of at least 0, but got -1'),
    ],
)
def test_what_is_no_count_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        ReplayViews([JITTER], **options)


def test_numbered_points_are_refused(config):
    with pytest.raises(ValueError, match='AddPointIdentity is among the .*: leave it out'):
        dataset(config, dict(type='AddPointIdentity'))


def test_numbered_points_of_a_mixed_scan_are_refused(config):
    mix = mixing(config, 'Mix3D', p=0.5)
    mix['pre_transform'] = [*mix['pre_transform'], dict(type='AddPointIdentity')]
    choice = dict(type='RandomChoice', transforms=[[JITTER], [mix]])
    with pytest.raises(ValueError, match='AddPointIdentity is among the .*: leave it out'):
        dataset(config, choice)


def test_a_sample_of_mixed_views_says_how_many_scans_its_partner_is_drawn_from(config):
    mixed, plain = dataset(config, mixing(config, 'Mix3D', p=0.0)), dataset(config, JITTER)
    assert mixed[0]['data_samples'].replay['partners'] == SCANS
    assert 'partners' not in plain[0]['data_samples'].replay


def test_transforms_that_do_not_pack_are_refused(config):
    data = dataset(config, JITTER, pack=False)
    match = (
        r"ReplayViews end without packing, .* Pack3DDetInputs included, but got keys \['dataset'"
    )
    with pytest.raises(ValueError, match=match):
        data[0]


def test_its_repr_tells_views_and_transforms(config):
    text = repr(dataset(config, DROPOUT, seed=2).pipeline.transforms[-1])
    assert text.startswith('ReplayViews(views=3, seed=2,\n') and 'Pack3DDetInputs' in text
