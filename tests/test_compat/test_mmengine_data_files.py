"""``mmengine.load`` reads data: in data sets, metrics, samplers and inferencers."""

import os
import pickle

import mmengine
import numpy as np
import pytest
from mmengine.fileio.handlers import PickleHandler

from projects.SRKD import compat
from projects.SRKD.base import UsageError

compat.apply()
CONTENT = dict(
    metainfo=dict(dataset='toy', classes=('a', 'b')),
    data_list=[dict(points=np.arange(6.0).reshape(2, 3), path='x', box=[1.5, None, True])],
)


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_data_come_back(tmp_path, protocol):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(CONTENT, protocol))
    with path.open('rb') as file:  # as DataBaseSampler does
        for found in (mmengine.load(path), mmengine.load(file, file_format='pkl')):
            entry = found['data_list'][0]
            np.testing.assert_array_equal(entry.pop('points'), np.arange(6.0).reshape(2, 3))
            assert entry == dict(path='x', box=[1.5, None, True])
            assert found['metainfo'] == CONTENT['metainfo']


def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path):
    marker, path = tmp_path / 'ran', tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(CONTENT | dict(gadget=Attack(marker)), 4))
    with pytest.raises(UsageError, match=r'the pickle names \w+.mkdir, expected numbers, text'):
        mmengine.load(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # the attack is real


def test_a_yaml_file_calls_nothing(tmp_path):
    marker, path = tmp_path / 'ran', tmp_path / 'infos.yaml'
    path.write_text(f'a: !!python/object/apply:os.mkdir [{marker}]\n')
    with pytest.raises(Exception, match='could not determine a constructor'):
        mmengine.load(path)
    assert not marker.exists()
    mmengine.dump(dict(size=(1, 2), name='x'), tmp_path / 'config.yaml')
    assert mmengine.load(tmp_path / 'config.yaml') == dict(size=(1, 2), name='x')


def test_applying_twice_changes_nothing():
    before = PickleHandler.load_from_fileobj
    compat.apply()
    assert PickleHandler.load_from_fileobj is before
