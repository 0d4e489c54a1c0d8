"""A stale, unfinished or damaged cache is refused by name."""

import copy
import json
import os

import pytest
import torch
from toy import build, minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config, load, plain_steps, write
from toy_training import NUM_CLASSES

from projects.SRKD.distill.cache import folder as module
from projects.SRKD.distill.cache.facts import teacher_facts
from projects.SRKD.distill.cache.folder import TeacherCache


@pytest.fixture
def config(tmp_path):
    data_root = write_scannet(tmp_path / 'data', train=3)
    teacher = minkunet(16, num_classes=NUM_CLASSES)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    config = cached_config(data_root, tmp_path, dict(config=teacher, checkpoint=checkpoint))
    write(config)
    return config


def step(config, scans=(0, 1)):
    """Take a training step's teacher view."""
    model = build(config.model)
    batch = model.data_preprocessor(load(config, scans, plain_steps(config)), True)
    return model.teacher.prepare(batch['inputs'], batch['data_samples'], True)


def edit(config, name='cache.json', **changes) -> None:
    path = TeacherCache(config.model.teacher.cache).folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(config, match: str, error=ValueError) -> None:
    """It is refused when training starts, before a step."""
    with pytest.raises(error, match=match):
        build(config.model).init_weights()


def test_the_cache_of_this_teacher_is_accepted(config):
    build(config.model).init_weights()
    inputs, samples = step(config)
    assert len(samples) == 2 and len(inputs['pieces'][0]) == 1


def test_no_cache(config, tmp_path):
    config.model.teacher.cache = str(tmp_path / 'nowhere')
    refused(config, r'nowhere does not exist .*cache_teacher.py CONFIG --out', FileNotFoundError)


def test_another_voxel_size(config):
    config.model.teacher.config.data_preprocessor.voxel_size = 0.05
    refused(config, r'cache is stale: .*another voxel size: \[0.1, 0.1, 0.1\] there, \[0.05, 0.05')


def test_another_teacher_config(config):
    config.model.teacher.config.backbone.encoder_blocks = [2, 1]
    refused(config, r'cache is stale: .*another teacher config \(digest\): \w+ there, \w+ here')


def test_another_checkpoint(config, tmp_path):
    save_checkpoint(config.model.teacher.config, tmp_path / 'teacher.pth', seed=1)
    refused(config, r'cache is stale: .*another teacher checkpoint \(sha256\): \w{12} there')


def test_a_missing_checkpoint(config, tmp_path):
    config.model.teacher.checkpoint = str(tmp_path / 'gone.pth')
    refused(config, 'teacher checkpoint .*gone.pth does not exist', FileNotFoundError)


def test_another_layout_of_files(config):
    edit(config, layout=1)  # of zip files
    told = 'another layout of the files: 1 there, 3 here'
    refused(config, f'cache is stale: .*{told}; write one .* with python tools/cache_teacher.py')
    with pytest.raises(ValueError, match=f'{told}: name another folder .*, or delete this one'):
        write(config)


def test_clean_scans_lie_as_they_did_in_layout_2(config):
    edit(config, layout=2)
    step(config)
    edit(config, views=2)
    refused(config, 'another layout of the files: 2 there, 3 here')


def test_another_tap(config):
    config.model.terms.imitate.update(teacher_tap='backbone.encoder.0.0')
    config.model.terms.imitate.connector.update(out_channels=16)
    refused(config, "stale: it lacks tap 'backbone.encoder.0.0', .* holds backbone, decode_head")


def test_fewer_taps_are_enough(config):
    del config.model.terms['kd']
    build(config.model).init_weights()


def test_an_unfinished_one(config):
    edit(config, finished=False)
    refused(config, 'cache is unfinished: .*goes on where it stopped')


def test_one_older_than_views_holds_clean_scans(config):
    path = TeacherCache(config.model.teacher.cache).folder / 'cache.json'
    facts = json.loads(path.read_text())
    assert facts.pop('views') == 0
    path.write_text(json.dumps(facts))
    step(config)


def test_a_file_is_compared_with_its_checksums_once(config, monkeypatch):
    compared = []
    monkeypatch.setattr(module, '_OPEN', 1)
    monkeypatch.setattr(module, 'check_scene', compared.append)
    model = build(config.model)
    for _ in range(2):
        batch = model.data_preprocessor(load(config, [0, 1], plain_steps(config)), True)
        model.teacher.prepare(**batch, training=True)
    assert [path.name for path in compared] == ['000000.npy', '000001.npy']


def test_a_missing_file(config):
    TeacherCache(config.model.teacher.cache).path(1).unlink()
    with pytest.raises(ValueError, match=r'000/000001.npy of the teacher cache is missing'):
        step(config)


def test_a_damaged_file(config):
    path = TeacherCache(config.model.teacher.cache).path(0)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r'000/000000.npy of the teacher cache is damaged'):
        step(config)


def test_scans_of_another_order_or_name(config):
    config.train_dataloader.dataset.scene_idxs = [2, 1, 0]
    match = r'other data: scan 0 of the data set was points/.*0_00.bin there and is .*1_00.bin'
    with pytest.raises(ValueError, match=match):
        step(config)


def test_scans_of_another_size(config, tmp_path):
    with open(tmp_path / 'data/points/scene0000_01.bin', 'ab') as file:
        file.write(bytes(24))
    with open(tmp_path / 'data/semantic_mask/scene0000_01.bin', 'ab') as file:
        file.write(bytes(8))
    step(config, [0, 2])
    match = r'other data: points/scene0000_01.bin had 9600 bytes there and has 9624 here'
    with pytest.raises(ValueError, match=match):
        step(config)


def test_more_scans_than_were_cached(config):
    edit(config, 'scenes.json', scan=[0])
    with pytest.raises(ValueError, match=r'other data: .* scan 1 .* the cache knows 0 to 0'):
        step(config)


def test_more_points_than_were_cached(config):
    model = build(config.model)
    batch = model.data_preprocessor(load(config, [0], plain_steps(config)), True)
    batch['data_samples'][0].point_identity[5, 0] = 400
    with pytest.raises(ValueError, match=r'point 400 of points/scene0000_00.bin, which had 400 p'):
        model.teacher.prepare(**batch, training=True)


def test_the_root_may_move(config, tmp_path):
    os.rename(tmp_path / 'data', tmp_path / 'moved')
    config.train_dataloader.dataset.data_root = str(tmp_path / 'moved')
    step(config)


def test_facts_are_those_of_the_teacher_alone(tmp_path):
    network = minkunet(8)
    path = save_checkpoint(network, tmp_path / 'a.pth')
    facts = teacher_facts(network, path)
    assert facts['voxel_size'] == [0.1] * 3
    other = copy.deepcopy(network)
    other['data_preprocessor']['identity_columns'] = True
    assert teacher_facts(dict(model=dict(student=other, type='DistillSegmentor')), path) == facts
    theirs = dict(type='Det3DDataPreprocessor', voxel_layer=dict(voxel_size=[0.1, 0.2, 0.3]))
    facts = teacher_facts(dict(network, data_preprocessor=theirs), 'https://somewhere/a.pth')
    assert facts['voxel_size'] == [0.1, 0.2, 0.3]
    assert facts['checkpoint'] == 'https://somewhere/a.pth'
    torch.save(dict(torch.load(path), more=1), path)
    assert teacher_facts(network, path)['checkpoint'] != facts['checkpoint']
