"""Writing a cache: resumed after a kill, never mixed with another one, its size told before."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from killed import Killer, forked
from toy import minkunet, save_checkpoint, write_scannet
from toy_cache import cached_config, replayed_config, write
from toy_training import NUM_CLASSES

from projects.SRKD.distill.cache.file import check_scene
from projects.SRKD.distill.cache_writing.writer import CacheWriter, size_text, write_cache


@pytest.fixture
def teacher(tmp_path):
    config = minkunet(16, num_classes=NUM_CLASSES)
    return dict(config=config, checkpoint=save_checkpoint(config, tmp_path / 'teacher.pth'))


@pytest.fixture
def config(tmp_path, teacher):
    return cached_config(write_scannet(tmp_path / 'data', train=5), tmp_path, teacher)


@pytest.fixture
def replayed(tmp_path, teacher):
    data_root = write_scannet(tmp_path / 'data', train=2)
    crop = [dict(type='RandomPointDropout', ratio=0.25, p=1.0)]
    return replayed_config(data_root, tmp_path, teacher, transforms=crop, views=3)


def facts(folder) -> dict:
    return json.loads((folder / 'cache.json').read_text())


def files(folder) -> dict[str, bytes]:
    """Content of every file below a cache but ``cache.json``."""
    paths = sorted(path for path in folder.rglob('*') if path.is_file())
    return {path.name: path.read_bytes() for path in paths if path.name != 'cache.json'}


def test_the_folder_says_what_it_was_made_from(config, tmp_path):
    write(config)
    found = facts(tmp_path / 'cache')
    assert found['finished'] and found['dtype'] == 'float16' and found['logits'] == 'full'
    assert found['taps'] == {'backbone': 16, 'decode_head.conv_seg': NUM_CLASSES}
    assert found['data']['scans'] == 5 and found['voxel_size'] == [0.1] * 3 and found['code']
    assert set(files(tmp_path / 'cache')) == {'scenes.json', *(f'00000{i}.npy' for i in range(5))}
    scene = np.load(tmp_path / 'cache/000/000002.npy')
    voxels = scene['points'].max() + 1
    assert scene['points'].shape == (400,)
    assert scene['backbone'].shape == (voxels, 16)
    assert scene['decode_head.conv_seg'].shape == (voxels, NUM_CLASSES)


def test_a_killed_run_goes_on_with_the_scan_it_was_at(config, tmp_path, monkeypatch):
    write(config, tmp_path / 'whole')
    real, ran = CacheWriter.run, []

    def run(self, scan):
        ran.append(scan)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return real(self, scan)

    monkeypatch.setattr(CacheWriter, 'run', run)
    with pytest.raises(KeyboardInterrupt):
        write(config)
    assert not facts(tmp_path / 'cache')['finished']
    assert set(files(tmp_path / 'cache')) == {'scenes.json', '000000.npy', '000001.npy'}
    (tmp_path / 'cache/000/.000002.npy.123.part').write_bytes(b'half')  # a kill amid a write

    times = [(tmp_path / f'cache/000/00000{i}.npy').stat().st_mtime_ns for i in range(2)]
    write(config)
    assert ran == [0, 1, 2, 2, 3, 4]
    assert times == [(tmp_path / f'cache/000/00000{i}.npy').stat().st_mtime_ns for i in range(2)]
    assert files(tmp_path / 'cache') == files(tmp_path / 'whole')
    assert facts(tmp_path / 'cache') == facts(tmp_path / 'whole')
    write(config)
    assert len(ran) == 6


def _killed(config, at, folder):
    torch.set_num_threads(1)
    killer = Killer(at, ['.npy', 'scenes.json', 'cache.json'])
    write(config, folder)
    (folder / 'steps').write_text(str(killer.seen))


def test_writing_that_is_killed_at_any_step_goes_on(config, tmp_path):
    config.train_dataloader.dataset.scene_idxs = [0, 1]
    assert forked(_killed, config, None, tmp_path / 'whole') == 0
    steps = int((tmp_path / 'whole/steps').read_text())
    (tmp_path / 'whole/steps').unlink()
    # Three for each scan, twice two descriptions: made, opened, renamed.
    assert steps >= 3 * 2 + 2 * 2 * 3
    for at in range(1, steps + 1)[:: 1 if 'SRKD_EVERY_KILL' in os.environ else 4]:
        folder = tmp_path / f'kill{at}'
        assert forked(_killed, config, at, folder) == -signal.SIGKILL
        for path in folder.glob('*/0*.npy'):
            check_scene(path)
        write(config, folder)
        assert files(folder) == files(tmp_path / 'whole'), at
        assert facts(folder) == facts(tmp_path / 'whole')


def test_views_are_files_of_their_own(replayed, tmp_path, capsys):
    writer = CacheWriter(replayed)
    write_cache(writer)
    told = capsys.readouterr().out
    assert '3 views of each of 2 scans, 0 of them stored' in told and '300 points' in told
    assert 'all 6: about' in told and 'per view' in told
    found = facts(tmp_path / 'cache')
    replay = writer.scans.replay.facts
    assert found['views'] == 3 and found['seed'] == 0 and replay.items() < found.items()
    assert set(files(tmp_path / 'cache')) == {'scenes.json', *(f'00000{i}.npy' for i in range(6))}
    for file in range(6):
        shown = writer.scans.load(file)
        view = np.load(tmp_path / f'cache/000/00000{file}.npy')
        assert view['points'].shape == (300,) and view['points'].min() == 0
        assert view['probe'].shape == (8, 6)
        np.testing.assert_array_equal(view['probe'][[0, -1]], shown.points[[0, -1]])


def test_a_killed_run_of_views_goes_on_with_the_view_it_was_at(replayed, tmp_path, monkeypatch):
    write(replayed, tmp_path / 'whole')
    real, ran = CacheWriter.run, []

    def run(self, file):
        ran.append(file)
        if len(ran) == 5:
            raise KeyboardInterrupt
        return real(self, file)

    monkeypatch.setattr(CacheWriter, 'run', run)
    with pytest.raises(KeyboardInterrupt):
        write(replayed)
    write(replayed)
    assert ran == [0, 1, 2, 3, 4, 4, 5]
    assert files(tmp_path / 'cache') == files(tmp_path / 'whole')


def test_a_run_killed_before_its_last_word_only_says_it(config, tmp_path, monkeypatch):
    write(config)
    path, whole = tmp_path / 'cache/cache.json', facts(tmp_path / 'cache')
    path.write_text(json.dumps(whole | dict(finished=False)))
    monkeypatch.setattr(CacheWriter, 'run', None)
    write(config)
    assert facts(tmp_path / 'cache') == whole


def test_damaged_files_are_written_anew_when_asked_for(config, tmp_path):
    writer = write(config)
    expected = files(tmp_path / 'cache')
    path = writer.cache.path(3)
    path.write_bytes(path.read_bytes()[:-200])
    write(config)
    assert files(tmp_path / 'cache') != expected
    write_cache(CacheWriter(config), check=True)
    check_scene(path)
    assert files(tmp_path / 'cache') == expected


def test_its_size_and_time_are_told_before_and_after(config, tmp_path, capsys):
    write_cache(CacheWriter(config), dry_run=True)
    told = capsys.readouterr().out
    assert not (tmp_path / 'cache').exists()
    assert '5 scans, 0 of them stored' in told
    assert 'float16, taps backbone (16 channels), decode_head.conv_seg (20 channels)' in told
    voxels = 376
    size = 400 * 4 + voxels * (16 + 20) * 2
    assert f'400 points, {voxels} voxels, {size_text(size)}; all 5: about' in told
    assert size_text(5 * size) in told

    write_cache(CacheWriter(config))
    total = sum(len(content) for name, content in files(tmp_path / 'cache').items()
                if name.endswith('npy'))  # fmt: skip
    assert total == pytest.approx(5 * size, rel=0.1)
    told = capsys.readouterr().out
    assert f'finished: {size_text(total)}, {size_text(total / 5)} per scan' in told


def test_a_full_disk_is_refused_before_anything_is_written(config, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: usage)
    with pytest.raises(ValueError, match=r'has 10 kB free, the cache needs about \d+ kB: name a'):
        write_cache(CacheWriter(config))
    assert not files(tmp_path / 'cache')


CHANGES = {
    'another voxel size: .*0.1.* there, .*0.2': lambda config, folder: (
        config.model.teacher.config.data_preprocessor.update(voxel_size=0.2)
    ),
    'another teacher checkpoint': lambda config, folder: save_checkpoint(
        config.model.teacher.config, folder / 'teacher.pth', seed=1
    ),
    'another data set: 5 scans of ScanNet.* there, 2 scans': lambda config, folder: (
        config.train_dataloader.dataset.update(scene_idxs=[0, 1])
    ),
    'another test pipeline': lambda config, folder: config.test_dataloader.dataset.pipeline.insert(
        -1, dict(type='CenterShift')
    ),
    'other taps: backbone, .*conv_seg there, backbone here': lambda config, folder: (
        config.model.terms.pop('kd')
    ),
}


@pytest.mark.parametrize('match', CHANGES)
def test_a_folder_with_another_cache_is_left_alone(config, tmp_path, match):
    write(config)
    before = files(tmp_path / 'cache')
    CHANGES[match](config, tmp_path)
    with pytest.raises(ValueError, match=f'already holds a teacher cache of {match}'):
        write(config)
    assert files(tmp_path / 'cache') == before


@pytest.mark.parametrize('options', [dict(logits='top8'), dict(dtype='float32')])
def test_other_options_need_another_folder(config, options):
    write(config)
    with pytest.raises(
        ValueError,
        match='holds a teacher cache of another (choice of logits|dtype): .*: name another folder',
    ):
        write(config, **options)


@pytest.mark.parametrize(
    ('logits', 'match'),
    [
        ('top20', 'logits=top20 leaves nothing out, as the teacher has 20 classes: expected full'),
        ('top', "full or topK .*, but got 'top'"),
        ('best', "full or topK .*, but got 'best'"),
    ],
)
def test_logits_that_cannot_be_kept_are_refused(config, logits, match):
    with pytest.raises(ValueError, match=match):
        CacheWriter(config, logits=logits)


def test_top_logits_without_a_term_on_logits_are_refused(config):
    del config.model.terms['kd']
    with pytest.raises(ValueError, match='leaves nothing out, as no term reads logits'):
        CacheWriter(config, logits='top8')


def test_a_config_without_a_folder_or_a_teacher_is_refused(config):
    del config.model.teacher['cache']
    with pytest.raises(ValueError, match='no folder is named for the cache: use --out'):
        CacheWriter(config)
    config.model = config.model.student
    with pytest.raises(ValueError, match='is MinkUNet, expected a DistillSegmentor'):
        CacheWriter(config, 'anywhere')
