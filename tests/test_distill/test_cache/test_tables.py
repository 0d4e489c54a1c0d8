import json

import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.distill.cache.tables import read_table

FACTS = dict(taps=dict(backbone=8), finished=True, views=2, seed=0, layout=3)
SCENES = dict(scan=[0, 1, 1], path=['a.bin', 'b.bin'], bytes=[16, 32])


@pytest.mark.parametrize(('name', 'content'), [('cache.json', FACTS), ('scenes.json', SCENES)])
def test_a_whole_table_is_read_and_a_missing_one_is_empty(tmp_path, name, content):
    assert read_table(tmp_path / name) == {}
    (tmp_path / name).write_text(json.dumps(content))
    assert read_table(tmp_path / name) == content


@pytest.mark.parametrize(
    ('name', 'changed', 'said'),
    [
        ('cache.json', dict(taps=[1]), 'taps must be'),
        ('cache.json', dict(taps=dict(a='8')), 'taps must be'),
        ('cache.json', dict(finished=1), 'finished must be'),
        ('cache.json', dict(views=-1), 'views, seed and layout must be'),
        ('scenes.json', dict(scan='01'), 'scan must be a list of one number'),
        ('scenes.json', dict(path=[1, 2]), 'path must be a list of one text'),
        ('scenes.json', dict(bytes=[1]), 'path and bytes'),
        ('scenes.json', dict(scan=[2]), 'scan must name scans'),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_name(tmp_path, name, changed, said):
    content = (FACTS if name == 'cache.json' else SCENES) | changed
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=f'{name} of the teacher cache is damaged .{said}.*delete'):
        read_table(tmp_path / name)


def test_a_table_that_is_cut_is_refused_by_name(tmp_path):
    (tmp_path / 'cache.json').write_text('{"taps": ')
    with pytest.raises(UsageError, match='cache.json is no JSON.*delete it and run tools'):
        read_table(tmp_path / 'cache.json')
