import copy

import pytest
import torch
from toy import batch, build, distiller, minkunet, save_checkpoint

from projects.SRKD.base import UsageError
from projects.SRKD.distill import LiveTeacher
from projects.SRKD.distill.teacher import teacher_config
from projects.SRKD.models.weights import load_strictly


@pytest.fixture
def checkpoint(tmp_path):
    return save_checkpoint(minkunet(8), tmp_path / 'teacher.pth')


def rewrite(checkpoint: str, change) -> str:
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    torch.save({'state_dict': change(state)}, checkpoint)
    return checkpoint


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (
            minkunet(8, num_classes=7),
            '102 of 104 keys match, 0 missing, 0 unexpected, 2 of another shape.*'
            r'expected \(7, 8\), got \(5, 8\)',
        ),
        (minkunet(16), r'of another shape.*conv_input'),
        (
            dict(minkunet(8), backbone=dict(minkunet(8)['backbone'], encoder_blocks=[2, 1])),
            r'missing backbone.encoder.0.2',
        ),
    ],
    ids=['classes', 'widths', 'depths'],
)
def test_another_architecture_is_refused_with_counts_and_names(checkpoint, config, message):
    with pytest.raises(ValueError, match=message):
        load_strictly(build(config), checkpoint)


def test_another_prefix_is_refused_naming_the_nearest_key(checkpoint):
    rewrite(checkpoint, lambda state: {f'net.{key}': value for key, value in state.items()})
    message = r'0 of 104 keys match, 104 missing, 104 unexpected.*nearest present net\.backbone'
    with pytest.raises(ValueError, match=message):
        load_strictly(build(minkunet(8)), checkpoint)


def test_the_prefix_of_a_distributed_wrapper_is_taken_off(checkpoint):
    rewrite(checkpoint, lambda state: {f'module.{key}': value for key, value in state.items()})
    load_strictly(build(minkunet(8)), checkpoint)


def test_weights_that_are_no_numbers_are_refused(checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    name = next(iter(content['state_dict']))
    content['state_dict'][name][0, 0] = float('inf')
    torch.save(content, checkpoint)
    with pytest.raises(UsageError, match=f'but got teacher checkpoint .* with 1 of .*: {name} '):
        load_strictly(build(minkunet(8)), checkpoint)


def test_a_plain_dict_of_weights_is_enough(checkpoint):
    state = dict(torch.load(checkpoint, weights_only=True)['state_dict'])
    torch.save(state, checkpoint)
    network = build(minkunet(8))
    load_strictly(network, checkpoint)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_a_corrupt_file_is_refused(checkpoint):
    with open(checkpoint, 'r+b') as file:
        file.truncate(1000)
    with pytest.raises(ValueError, match=r'teacher.pth cannot be read .*truncated'):
        load_strictly(build(minkunet(8)), checkpoint)


def test_a_file_without_weights_is_refused(checkpoint):
    torch.save({'state_dict': {}}, checkpoint)
    with pytest.raises(ValueError, match='holds no weights'):
        load_strictly(build(minkunet(8)), checkpoint)


def test_a_missing_checkpoint_or_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.pth does not exist'):
        load_strictly(build(minkunet(8)), str(tmp_path / 'nowhere.pth'))
    with pytest.raises(ValueError, match='random weights distills noise'):
        LiveTeacher(minkunet(8), None)


def test_a_missing_config_names_the_nearest(tmp_path):
    (tmp_path / 'ptv3-base.py').write_text('model = dict()')
    message = r'ptv3-bse.py does not exist; the nearest name there is .*ptv3-base.py'
    with pytest.raises(FileNotFoundError, match=message):
        LiveTeacher(tmp_path / 'ptv3-bse.py', 'unused.pth')


def test_a_distillation_config_as_teacher_means_its_student(tmp_path, checkpoint):
    model = dict(type='DistillSegmentor', student=minkunet(8), teacher=dict(), terms=dict())
    assert teacher_config(dict(model=model)) == teacher_config(minkunet(8))


def test_the_config_is_not_edited_by_building(checkpoint):
    config = minkunet(8)
    before = copy.deepcopy(config)
    teacher = LiveTeacher(config, checkpoint)
    assert teacher.network is teacher.network
    assert config == before


def test_the_teacher_computes_no_task_loss_and_no_graph(checkpoint):
    model = distiller(minkunet(8), minkunet(8), checkpoint)
    inputs, samples = model.data_preprocessor(batch(), True).values()
    for head_loss in ('loss', 'loss_by_feat'):
        setattr(model.teacher.network.decode_head, head_loss, None)
    taught = model.teacher(inputs, samples)
    assert not any(features.feat.requires_grad for features in taught.values())
