import copy

import pytest
from torch import nn
from toy import batch, distiller, minkunet, save_checkpoint

from projects.SRKD.distill import DistillModel
from projects.SRKD.distill.told_by_hooks import ToldByHooks


class Model(ToldByHooks, nn.Module):
    """What is told, without networks."""


def test_it_is_a_part_of_every_distiller():
    assert issubclass(DistillModel, ToldByHooks)


def test_a_model_distills_in_full_until_it_is_told_otherwise():
    model, other = Model(), Model()
    assert model.distill_scale == 1.0
    model.set_distill_scale(0)
    assert model.distill_scale == 0.0 and other.distill_scale == 1.0
    assert copy.deepcopy(model).distill_scale == 0.0 and not model.state_dict()


@pytest.mark.parametrize('scale', [-0.1, float('nan'), float('inf')])
def test_a_scale_that_is_none_is_refused(scale):
    model = Model()
    with pytest.raises(ValueError, match=f'must be finite and at least 0, but got {scale}'):
        model.set_distill_scale(scale)
    assert model.distill_scale == 1.0


def test_connectors_are_kept_by_nobody_until_it_is_told():
    model = Model()
    assert not model.keeps_connectors
    model.tell_connectors_are_kept()
    assert model.keeps_connectors and not Model().keeps_connectors


def test_assigning_works_for_one_version_and_names_the_method():
    model = Model()
    with pytest.warns(FutureWarning, match=r'is model.set_distill_scale\(scale\) now') as warned:
        model.distill_scale = 0.5
    assert model.distill_scale == 0.5 and warned[0].filename == __file__
    with pytest.warns(FutureWarning, match=r'is model.tell_connectors_are_kept\(\) now'):
        model.keeps_connectors = True
    assert model.keeps_connectors


def test_a_listener_sees_what_the_teacher_was_asked_and_said(tmp_path):
    teacher = minkunet(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    model, seen = distiller(minkunet(8), teacher, checkpoint), []
    model.tell_what_is_taught(lambda *lesson: seen.append(lesson))
    data = model.data_preprocessor(batch(), training=True)
    model.loss(**data)
    ((inputs, samples, taught),) = seen
    assert inputs is data['inputs'] and samples is data['data_samples']
    assert set(taught) == {'backbone', 'decode_head.conv_seg'}
    model.set_distill_scale(0)
    model.loss(**data)  # the teacher does not run
    model.set_distill_scale(1)
    model.tell_what_is_taught(None)
    model.loss(**data)
    assert len(seen) == 1
