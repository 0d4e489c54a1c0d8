import pytest

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.base.json_file import read_json, read_records


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (b'', 'is no JSON'),
        (b'{"a": ', 'is no JSON'),
        (b'\xff\xfe', 'is no JSON'),
        (b'[' * 100_000, 'is no JSON: it nests too deep'),
        (b'{"a": ' + b'9' * 5000 + b'}', 'is no JSON'),
        (b'[]', 'must hold a dict, but got a list'),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / 'a.json'
    path.write_bytes(text)
    with pytest.raises(UsageError, match=f'a.json {said}'):
        read_json(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileMissingError, match='a.json does not exist'):
        read_json(tmp_path / 'a.json')
    with pytest.raises(UsageError, match='cannot be read: Is a directory'):
        read_json(tmp_path)


def test_a_record_that_lacks_a_key_is_named(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('[{"token": "x", "name": "y"}, {"token": "x"}]')
    with pytest.raises(UsageError, match='record 1 of .*a.json must be .*lacks name'):
        read_records(path, ['token', 'name'])
    path.write_text('[7]')
    with pytest.raises(UsageError, match='record 0 of .*lacks token'):
        read_records(path, ['token'])
    path.write_text('[{"token": "x"}]')
    assert read_records(path, ['token']) == [dict(token='x')]
