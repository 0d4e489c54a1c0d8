"""Weights of anchors, and the arguments that named them before."""

import warnings

import pytest
import torch

from projects.SRKD.losses.pointdistiller.importance import softmax_weight
from projects.SRKD.losses.pointdistiller.local_graph_loss import LocalGraphLoss
from projects.SRKD.losses.pointdistiller.weights import (
    GraphWeights,
    InertWeights,
    SoftmaxWeights,
    build_weights,
)

SCORES = [torch.tensor([4.0, 8.0, 1.0]), torch.tensor([3.0]), torch.tensor([0.0, -2.0])]


@pytest.mark.parametrize('scale', ['minmax', 'log1p', 'none'])
def test_softmax_weights_have_mean_one_in_every_sample(scale):
    found = SoftmaxWeights(0.5, scale)(SCORES, 3).split([3, 1, 2])
    for own, scores in zip(found, SCORES):
        torch.testing.assert_close(own, softmax_weight(scores, 0.5, scale))
        torch.testing.assert_close(own.mean(), torch.tensor(1.0))


def test_graph_weights_take_the_largest_features_in_place_of_the_importance():
    weigh = GraphWeights(0.5, 'none')([torch.zeros_like(scores) for scores in SCORES], 3)
    expected = SoftmaxWeights(0.5, 'none')(SCORES, 3)
    torch.testing.assert_close(weigh(torch.cat(SCORES)), expected)


def test_inert_weights_are_the_number_of_samples():
    assert InertWeights()(SCORES, 5).tolist() == [5.0] * 6


def test_a_function_of_ones_own_weighs_anchors():
    def fullest(scores, num_samples):
        return torch.cat([(each == each.max()).to(each) for each in scores])

    given = torch.randn(6, 3), torch.randn(6, 3), torch.tensor([0, 0, 0, 1, 1, 1])
    values = [
        LocalGraphLoss(graph_channels=None, weights=weights)(*given)
        for weights in (fullest, dict(type='SoftmaxWeights', temperature=1e-6))
    ]
    torch.testing.assert_close(3 * values[0], values[1])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(type='GraphWeight'), "must be one of .*, nearest: 'GraphWeights'"),
        (dict(temperature=1.0), 'weights type must be one of .*, but got None'),
        (dict(type='GraphWeights', temperature=0.0), 'temperature must be positive and finite'),
        (dict(type='SoftmaxWeights', scale='log'), "scale must be .*, nearest: 'log1p'"),
    ],
)
def test_bad_weights_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_weights(options)


PAPER = dict(type='SoftmaxWeights', temperature=0.01, scale='none')


def said(weights):
    return weights and (type(weights).__name__, *vars(weights).values())


@pytest.mark.parametrize(
    ('old', 'weights', 'successor'),
    [
        (dict(reweighting='softmax'), {}, ('SoftmaxWeights', 0.1, 'minmax')),
        (dict(temperature=0.3), {}, ('SoftmaxWeights', 0.3, 'minmax')),
        (dict(scale='none'), {}, ('SoftmaxWeights', 0.1, 'none')),
        (dict(reweighting='graph', temperature=2.0), {}, ('GraphWeights', 2.0, 'minmax')),
        (dict(reweighting='inert', temperature=1e-4), {}, ('InertWeights',)),
        (dict(reweighting='none', scale='none'), {}, None),
        # Beside the new form, as in a child of a base file that was moved to it.
        (dict(temperature=0.3), dict(weights=PAPER), ('SoftmaxWeights', 0.3, 'none')),
        (dict(reweighting='graph'), dict(weights=PAPER), ('GraphWeights', 0.01, 'none')),
        (dict(reweighting='softmax'), dict(weights=None), ('SoftmaxWeights', 0.1, 'minmax')),
        (dict(temperature=0.3), dict(weights=None), None),
    ],
)
def test_old_arguments_work_and_name_their_successor(old, weights, successor):
    with pytest.warns(FutureWarning, match='the old arguments go with 0.3') as warned:
        loss = LocalGraphLoss(3, 4, **old, **weights)
    assert said(loss.weights) == successor
    assert warned[0].filename == __file__
    # What the warning says to write gives the same.
    line = str(warned[0].message).split('write weights=')[1].split(' now;')[0]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        new = LocalGraphLoss(3, 4, weights=eval(line, {}))
    assert said(new.weights) == successor


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(temperature=0.0), 'temperature must be positive and finite, but got 0.0'),
        (dict(reweighting='soft'), "reweighting must be one of .*, nearest: 'softmax'"),
        (dict(scale='log'), "scale must be one of .*, nearest: 'log1p'"),
        (dict(scale='none', weights=max), 'scale cannot change .*builtin.*, expected Softmax'),
    ],
)
def test_old_arguments_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LocalGraphLoss(3, 4, **options)
