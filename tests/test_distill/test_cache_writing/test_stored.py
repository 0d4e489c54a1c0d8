"""Writing goes on in a folder of the same cache alone; views are added to a finished one."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from killed import Killer, forked
from mmdet3d.registry import TRANSFORMS
from toy import build, minkunet, save_checkpoint, write_scannet
from toy_cache import load, replayed_config, write
from toy_training import NUM_CLASSES

from projects.SRKD.distill.cache.file import check_scene
from projects.SRKD.distill.cache_writing.writer import CacheWriter, write_cache

SCANS, FEW, MANY = 2, 2, 4
STEPS = [
    dict(type='RandomPointDropout', ratio=0.25, p=1.0),
    dict(type='RandomJitterPoints', jitter_std=[0.05] * 3, clip_range=[-0.1, 0.1]),
]


@pytest.fixture
def config(tmp_path):
    network = minkunet(16, num_classes=NUM_CLASSES)
    checkpoint = save_checkpoint(network, tmp_path / 'teacher.pth')
    teacher = dict(config=network, checkpoint=checkpoint)
    data_root = write_scannet(tmp_path / 'data', train=SCANS)
    return replayed_config(data_root, tmp_path, teacher, transforms=STEPS, views=FEW, seed=3)


def content(folder) -> dict[str, bytes]:
    """All files below a cache; ``cache.json`` among them."""
    paths = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def times(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob('*.npy')}


def step(config):
    """Read what a training step reads."""
    model = build(config.model)
    data = load(config, range(SCANS), config.train_dataloader.dataset.pipeline)
    batch = model.data_preprocessor(data, True)
    return model.teacher(*model.teacher.prepare(**batch, training=True))


def test_views_are_added_to_a_finished_cache(config, tmp_path, monkeypatch, capsys):
    few, whole = tmp_path / 'cache', tmp_path / 'whole'
    write(config, whole, views=MANY)
    write(config)
    before, written = content(few), times(few)
    real, ran, said = CacheWriter.run, [], []

    def run(self, file):
        ran.append(file)
        said.append(json.loads((few / 'cache.json').read_text()))
        return real(self, file)

    monkeypatch.setattr(CacheWriter, 'run', run)
    capsys.readouterr()
    write_cache(CacheWriter(config, views=MANY))
    told = capsys.readouterr().out
    assert f'{MANY} views of each of {SCANS} scans, {SCANS * FEW} of them stored' in told
    assert ran == [*range(SCANS * FEW, SCANS * MANY)]
    assert all(facts['finished'] and facts['views'] == FEW for facts in said)
    assert content(few) == content(whole)
    assert times(few).items() >= written.items()
    assert {name for name, bytes in before.items() if content(few)[name] != bytes} == {'cache.json'}
    write(config, views=MANY)
    assert len(ran) == SCANS * (MANY - FEW)


def _killed(config, at, folder):
    torch.set_num_threads(1)
    killer = Killer(at, ['.npy', 'scenes.json', 'cache.json'])
    write(config, folder, views=MANY)
    (folder / 'steps').write_text(str(killer.seen))


def test_a_cache_stays_usable_whenever_the_adding_is_killed(config, tmp_path):
    config.train_dataloader.dataset.scene_idxs = [0]
    write(config, tmp_path / 'whole', views=MANY)
    counted = tmp_path / 'counted'
    write(config, counted)
    assert forked(_killed, config, None, counted) == 0
    steps = int((counted / 'steps').read_text())
    assert steps >= 3 * (MANY - FEW) + 2 * 3  # files, descriptions: made, opened, renamed
    for at in range(1, steps + 1)[:: 1 if 'SRKD_EVERY_KILL' in os.environ else 3]:
        folder = tmp_path / f'kill{at}'
        write(config, folder)
        first = {name: bytes for name, bytes in content(folder).items() if name.endswith('npy')}
        assert forked(_killed, config, at, folder) == -signal.SIGKILL
        assert content(folder).items() >= first.items()
        config.model.teacher.cache = str(folder)
        build(config.model).teacher.load()
        for path in folder.glob('*/0*.npy'):
            check_scene(path)
        if json.loads((folder / 'cache.json').read_text())['views'] == FEW:
            write(config, folder)  # of the few: nothing is amiss
        write(config, folder, views=MANY)
        assert content(folder) == content(tmp_path / 'whole'), at


def test_views_that_were_added_are_trained_with(config):
    write(config)
    config.train_dataloader.dataset.pipeline[-1].views = MANY
    with pytest.raises(ValueError, match='2 there, 4 here; add the missing views with'):
        step(config)
    write(config)
    assert step(config).keys() == {'backbone', 'decode_head.conv_seg'}


def test_an_unfinished_cache_may_grow(config, tmp_path, monkeypatch):
    write(config, tmp_path / 'whole', views=MANY)
    with monkeypatch.context() as changed:
        real, ran = CacheWriter.run, []

        def run(self, file):
            ran.append(file)
            if len(ran) == 2:
                raise KeyboardInterrupt
            return real(self, file)

        changed.setattr(CacheWriter, 'run', run)
        with pytest.raises(KeyboardInterrupt):
            write(config)
    write(config, views=MANY)
    assert content(tmp_path / 'cache') == content(tmp_path / 'whole')


def test_damage_among_the_first_views_is_not_called_finished(config, tmp_path, monkeypatch):
    write(config, tmp_path / 'whole', views=MANY)
    writer = write(config)
    path = writer.cache.path(1)
    path.write_bytes(path.read_bytes()[:-100])
    said, real = [], CacheWriter.run

    def run(self, file):
        said.append((file, json.loads((tmp_path / 'cache/cache.json').read_text())['finished']))
        return real(self, file)

    monkeypatch.setattr(CacheWriter, 'run', run)
    write_cache(CacheWriter(config, views=MANY), check=True)
    # the first is measured before anything is written
    assert said == [(1, True), *((file, False) for file in range(4, 8))]
    assert content(tmp_path / 'cache') == content(tmp_path / 'whole')


CHANGES = {
    'another seed of the views: 3 there, 0 here': lambda config: (
        config.train_dataloader.dataset.pipeline[-1].update(seed=0)
    ),
    'another augmentation of the views': lambda config: (
        config.train_dataloader.dataset.pipeline[-1].transforms[0].update(ratio=0.2)
    ),
    'another teacher checkpoint': lambda config: save_checkpoint(
        config.model.teacher.config, config.model.teacher.checkpoint, seed=1
    ),
    'another teacher config': lambda config: config.model.teacher.config.backbone.update(
        encoder_blocks=[2, 1]
    ),
    'another voxel size: .*0.1.* there, .*0.2': lambda config: (
        config.model.teacher.config.data_preprocessor.update(voxel_size=0.2)
    ),
    'another data set: 2 scans of ScanNet.* there, 1 scans': lambda config: (
        config.train_dataloader.dataset.update(scene_idxs=[0])
    ),
    'other taps: backbone, .*conv_seg there, backbone here': lambda config: config.model.terms.pop(
        'kd'
    ),
}


@pytest.mark.parametrize('match', CHANGES)
def test_views_of_something_else_are_not_added(config, tmp_path, match):
    write(config)
    before = content(tmp_path / 'cache')
    CHANGES[match](config)
    with pytest.raises(ValueError, match=f'already holds a teacher cache of {match}'):
        write(config, views=MANY)
    assert content(tmp_path / 'cache') == before


def test_views_of_another_layout_are_not_added(config, tmp_path):
    write(config)
    path = tmp_path / 'cache/cache.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(layout=2)))
    with pytest.raises(ValueError, match='another layout of the files: 2 there, 3 here: name'):
        write(config, views=MANY)


def test_fewer_views_than_there_are_need_no_writing(config, tmp_path):
    write(config)
    before = content(tmp_path / 'cache')
    match = (
        'views must be at least 2, as many of each scan as folder .*cache holds, but got 1: a '
        r'training with ReplayViews\(views=1\) reads the first .*, use --views 2'
    )
    with pytest.raises(ValueError, match=match):
        write(config, views=1)
    assert content(tmp_path / 'cache') == before


def test_views_are_not_added_once_they_come_out_otherwise(config, tmp_path, monkeypatch):
    write(config)
    before = content(tmp_path / 'cache')
    jitter = TRANSFORMS.get('RandomJitterPoints')
    monkeypatch.setattr(jitter, 'transform', lambda self, results: results)
    match = (
        r'view 0 of points/scene0000_00.bin is another cloud than .*000000.npy was made from: '
        r'points up to 0.\d+ apart; .* has changed since: name another folder'
    )
    with pytest.raises(ValueError, match=match):
        write(config, views=MANY)
    assert content(tmp_path / 'cache') == before


def test_files_lie_view_by_view(config):
    writer = write(config)
    for file in range(SCANS * FEW):
        stored = np.load(writer.cache.path(file))
        np.testing.assert_array_equal(stored['probe'][0], writer.scans.load(file).points[0])
        sample = writer.scans.load(file).sample
        assert file == SCANS * sample.replay['view'] + sample.replay['scan']
