"""What a step began with is there when it has gone wrong."""

import copy
import random

import numpy as np
import torch
from mmengine.optim import OptimWrapper
from toy import batch, build, distiller, minkunet, save_checkpoint
from toy_faults import ScaledOptimWrapper, same_bits

from projects.SRKD.base.random_numbers import restore_random_state
from projects.SRKD.engine.finite_step.packing import LARGE, unpack
from projects.SRKD.engine.finite_step.step_start import StepStart


def wrapper_of(model, kind=OptimWrapper):
    return kind(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


def test_buffers_random_numbers_and_batch_are_those_before_the_forward_pass():
    model, loaded = build(minkunet(8)).train(), batch()
    start = StepStart(model)
    before = {name: value.clone() for name, value in model.named_buffers()}
    for _ in range(2):  # the second time into the same memory
        before = {name: value.clone() for name, value in model.named_buffers()}
        start.take(loaded, wrapper_of(model))
        drawn = random.random(), np.random.rand(), torch.rand(3)
        model(**model.data_preprocessor(loaded, True), mode='loss')
    assert start.buffers.keys() == before.keys()
    assert all(torch.equal(start.buffers[name], value) for name, value in before.items())
    moved = dict(model.named_buffers())
    assert any(not torch.equal(moved[name], value) for name, value in before.items())
    restore_random_state(start.random)
    again = random.random(), np.random.rand(), torch.rand(3)
    assert again[:2] == drawn[:2] and same_bits(again[2], drawn[2])
    loaded['inputs']['points'][0].zero_()
    assert unpack(start.batch)['inputs']['points'][0].abs().sum() > 0
    start.forget()
    assert start.batch is None and start.lesson is None


def test_a_large_tensor_that_is_written_to_is_noticed():
    model, large = build(minkunet(8)), torch.zeros(LARGE // 4)
    start = StepStart(model)
    start.take(dict(inputs=large), wrapper_of(model))
    assert start.batch_is_as_loaded
    large += 1
    assert not start.batch_is_as_loaded


def test_what_the_wrapper_and_the_distiller_count_is_kept(tmp_path):
    teacher = minkunet(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    model = distiller(minkunet(8), teacher, checkpoint)
    model.set_distill_scale(0.5)
    wrapper = wrapper_of(model, ScaledOptimWrapper)
    wrapper.initialize_count_status(model, 3, 9)
    start = StepStart(model)
    start.take(batch(), wrapper)
    assert start.counts == dict(init_counts=3, max_counts=9)
    assert start.scaler['scale'] == 2.0**16
    assert start.distill == dict(scale=0.5, balance=None)
    model.tell_what_is_taught(start.take_lesson)
    model.loss(**model.data_preprocessor(batch(), True))
    packed = start.lesson.packed()
    assert packed['asked'] is None  # the rows are the student's own
    assert set(packed['taught']) == {'backbone', 'decode_head.conv_seg'}
    assert copy.deepcopy(model)._listener.__self__ is start  # not a start of its own


def test_a_mask_of_infinities_is_known_by_name():
    model = torch.nn.Linear(1, 1)
    model.register_buffer('mask', torch.tensor([0.0, -float('inf')]))
    assert StepStart(model).by_design == {'mask'}
