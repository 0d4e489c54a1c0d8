"""Where numbers stop being finite, in words."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from toy import batch, build, minkunet

from projects.SRKD.engine.finite_step import causes
from projects.SRKD.engine.finite_step.packing import pack
from projects.SRKD.engine.finite_step.step_start import StepStart

NAN = float('nan')


def started(model, loaded):
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.25))
    start = StepStart(model)
    start.take(loaded, wrapper)
    return start, wrapper


def test_statistics_that_are_not_finite_count_as_weights_of_the_student():
    model = build(minkunet(8))
    name, value = next(each for each in model.named_buffers() if 'running_var' in each[0])
    value.fill_(NAN)
    model.register_buffer('mask', torch.tensor(-float('inf')))
    start, wrapper = started(model, batch())
    start.by_design = {'mask'}
    (said,) = causes.origins(model, start, wrapper)
    assert said == (
        f'1 weights of the student were not finite before the step ({name}), at a learning rate of '
        '0.25'
    )


def test_a_label_that_is_not_finite_is_named_with_its_scan_or_its_number():
    loaded = batch()
    loaded['data_samples'][1].gt_pts_seg.weight = torch.full((200,), NAN)
    start, wrapper = started(build(minkunet(8)), loaded)
    (said,) = causes.origins(build(minkunet(8)), start, wrapper)
    assert said == (
        'data_samples.gt_pts_seg.weight of sample without a name hold 200 of 200 numbers that are '
        'not finite'
    )


def test_a_batch_of_any_shape_is_looked_through():
    model = nn.Linear(1, 1)
    start, wrapper = started(model, (torch.tensor([1.0, NAN]), [torch.ones(2)]))
    (said,) = causes.origins(model, start, wrapper)
    assert said.endswith('hold 1 of 2 numbers that are not finite')
    assert causes.scans_of(start.batch) == []


def test_scans_have_their_path_else_their_index():
    samples = batch((5, 5, 5))['data_samples']
    samples[0].set_metainfo(dict(lidar_path='a.bin', sample_idx=4))
    samples[1].set_metainfo(dict(sample_idx=7))
    names = causes.scans_of(pack(dict(data_samples=samples)))
    assert names == ['a.bin', 'sample 7', 'sample without a name']
    assert causes.scans_of(pack(dict(data_samples=torch.ones(3)))) == []


@pytest.mark.parametrize('part', ['state_dict', 'ema_state_dict', 'connectors'])
def test_what_a_checkpoint_has_lost_is_counted_and_named(part):
    good, bad = dict(a=torch.ones(2)), {'module.b': torch.tensor([NAN]), 'c': torch.tensor([NAN])}
    checkpoint = dict(state_dict=good)
    if part == 'connectors':
        checkpoint['distill'] = dict(connectors=bad)
    else:
        checkpoint[part] = bad
    assert causes.lost_weights(checkpoint, set()) == 'it has lost 2 weights (module.b, c)'
    assert causes.lost_weights(checkpoint, {'b', 'c'}) == ''
