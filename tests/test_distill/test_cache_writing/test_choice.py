"""The teacher chooses views: those whose mean prediction is that of all candidates."""

import copy
import json

import numpy as np
import pytest
import torch
from test_ops.test_herding import herded
from toy import build, minkunet, save_checkpoint, write_scannet
from toy_cache import live, load, replayed_config, write
from toy_training import NUM_CLASSES

from projects.SRKD.distill.cache_writing.choice import (
    ViewChoice,
    choose_views,
    has_choice,
    spread,
)
from projects.SRKD.distill.cache_writing.writer import CacheWriter

SCANS, CANDIDATES, VIEWS = 3, 5, 2
STEPS = [
    dict(type='RandomPointDropout', ratio=0.5, p=1.0),
    dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1]),
]
LOGITS = 'decode_head.conv_seg'


@pytest.fixture
def config(tmp_path):
    network = minkunet(16, num_classes=NUM_CLASSES)
    checkpoint = save_checkpoint(network, tmp_path / 'teacher.pth')
    teacher = dict(config=network, checkpoint=checkpoint)
    data_root = write_scannet(tmp_path / 'data', train=SCANS)
    config = replayed_config(data_root, tmp_path, teacher, transforms=STEPS, views=VIEWS, seed=1)
    config.train_dataloader.dataset.pipeline[-1].update(
        type='ChosenViews', candidates=CANDIDATES, choice=str(tmp_path / 'choice.json')
    )
    return config


def of_candidates(config):
    """The same run in all candidates."""
    config = copy.deepcopy(config)
    replay = config.train_dataloader.dataset.pipeline[-1]
    for name in ('candidates', 'choice'):
        replay.pop(name)
    replay.update(type='ReplayViews', views=CANDIDATES)
    return config


def predictions(config, scan) -> np.ndarray:
    """Mean probabilities of the candidates of a scan by loops over voxels, in float64."""
    model, means = live(config), []
    scans = ViewChoice(config).scans
    for view in range(CANDIDATES):
        shown = scans.load(view * SCANS + scan)
        inputs, samples = model.teacher.prepare(dict(points=[shown.points]), [shown.sample], False)
        logits = model.teacher(inputs, samples)[LOGITS].feat.double().numpy()
        total = np.zeros(NUM_CLASSES)
        for row in logits:
            share = np.array([np.exp(value - row.max()) for value in row])
            total += share / share.sum()
        means.append(total / len(logits))
    return np.stack(means)


def test_the_choice_is_that_of_loops(config, tmp_path, capsys):
    choose_views(ViewChoice(config))
    found = json.loads((tmp_path / 'choice.json').read_text())
    assert found['finished'] and found['views'] == CANDIDATES and found['seed'] == 1
    far = []
    for scan in range(SCANS):
        means = predictions(config, scan)
        torch.testing.assert_close(
            ViewChoice(config).mean_predictions(scan), torch.tensor(means), rtol=1e-10, atol=0
        )
        assert found['order'][scan] == herded(means)
        some = found['order'][scan][:VIEWS], range(VIEWS)
        far.append([spread(torch.tensor(means), views) for views in some])
    assert any(order[:VIEWS] != [0, 1] for order in found['order'])
    chosen, drawn = np.sqrt(np.square(far).mean(0))
    told = capsys.readouterr().out
    assert f'{CANDIDATES} views of each of {SCANS} scans to choose from, 0 scans are done' in told
    assert f'over {VIEWS} views: {chosen:.2g} of those chosen, {drawn:.2g} of the first' in told
    assert chosen < drawn


def test_the_spread_is_a_root_of_mean_squares():
    means = torch.tensor([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]], dtype=torch.float64)
    all_three, some = [0.5, 0.5], [0.55, 0.45]  # of candidates 0 and 2
    expected = np.sqrt(sum((a - b) ** 2 for a, b in zip(all_three, some)) / 2)
    assert spread(means, [0, 2]) == pytest.approx(expected, rel=1e-12)
    assert spread(means, range(3)) == pytest.approx(0, abs=1e-15)


def test_the_cache_holds_the_chosen_candidates_byte_for_byte(config, tmp_path):
    choose_views(ViewChoice(config))
    order = json.loads((tmp_path / 'choice.json').read_text())['order']
    candidates = write(of_candidates(config), tmp_path / 'all')
    for views in (VIEWS, CANDIDATES):  # the second time views are added
        writer = write(config, views=views)
        assert writer.scans.facts['views'] == views
        for scan in range(SCANS):
            for view in range(views):
                stored = writer.cache.path(view * SCANS + scan)
                expected = candidates.cache.path(order[scan][view] * SCANS + scan)
                assert stored.read_bytes() == expected.read_bytes()


def test_a_student_is_taught_in_the_chosen_views(config, tmp_path):
    choose_views(ViewChoice(config))
    write(config)

    def step():
        model = build(config.model)
        data = load(config, range(SCANS), config.train_dataloader.dataset.pipeline)
        batch = model.data_preprocessor(data, True)
        return model.teacher(*model.teacher.prepare(**batch, training=True))

    assert step().keys() == {'backbone', LOGITS}
    path = tmp_path / 'choice.json'
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | dict(order=found['order'][::-1])))
    with pytest.raises(ValueError, match='is stale: it was made with another augmentation of the'):
        step()


def test_a_choice_that_was_interrupted_goes_on(config, tmp_path, monkeypatch):
    path = tmp_path / 'choice.json'
    choose_views(ViewChoice(config))
    whole = path.read_bytes()
    path.unlink()
    real, ran = ViewChoice.mean_predictions, []

    def means(self, scan):
        ran.append(scan)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return real(self, scan)

    monkeypatch.setattr(ViewChoice, 'mean_predictions', means)
    with pytest.raises(KeyboardInterrupt):
        choose_views(ViewChoice(config))
    found = json.loads(path.read_text())
    assert not found['finished'] and len(found['order']) == 1
    with pytest.raises(ValueError, match='is unfinished'):
        CacheWriter(config)
    choose_views(ViewChoice(config))
    assert ran == [0, 1, 1, 2] and path.read_bytes() == whole
    choose_views(ViewChoice(config))
    assert len(ran) == 4


def test_a_dry_run_leaves_nothing(config, tmp_path, capsys):
    choose_views(ViewChoice(config), dry_run=True)
    assert f'all {SCANS} scans: about' in capsys.readouterr().out
    assert not (tmp_path / 'choice.json').exists()


CHANGES = {
    'another teacher checkpoint': lambda config: save_checkpoint(
        config.model.teacher.config, config.model.teacher.checkpoint, seed=1
    ),
    'another number of views of each scan .*: 5 there, 6 here': lambda config: (
        config.train_dataloader.dataset.pipeline[-1].update(candidates=6)
    ),
    'another seed of the views: 1 there, 2 here': lambda config: (
        config.train_dataloader.dataset.pipeline[-1].update(seed=2)
    ),
    'another data set': lambda config: config.train_dataloader.dataset.update(scene_idxs=[0]),
}


@pytest.mark.parametrize('match', CHANGES)
def test_a_choice_of_something_else_is_left_alone(config, tmp_path, match):
    choose_views(ViewChoice(config))
    before = (tmp_path / 'choice.json').read_bytes()
    CHANGES[match](config)
    with pytest.raises(ValueError, match=f'already holds a choice of views of {match}'):
        ViewChoice(config)
    assert (tmp_path / 'choice.json').read_bytes() == before


def test_terms_without_logits_are_refused(config):
    del config.model.terms['kd']
    with pytest.raises(ValueError, match='no term of the config reads logits, only backbone: add'):
        ViewChoice(config)


def test_only_chosen_views_need_a_choice(config):
    assert has_choice(config) and not has_choice(of_candidates(config))
