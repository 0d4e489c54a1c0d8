"""Tables of nuScenes that do not fit together are refused in one sentence."""

import json
import shutil
from pathlib import Path

import pytest

from projects.MiniScenes.streets.nuscenes_tables import write_nuscenes_detection
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos
from projects.SRKD.datasets.infos.nuscenes_schema import LINKS, check_tables

NOWHERE = '0' * 32


@pytest.fixture(scope='module')
def original(tmp_path_factory):
    out = tmp_path_factory.mktemp('nuscenes') / 'streets'
    return write_nuscenes_detection(out, 1, 0, 2, azimuth_steps=60)


@pytest.fixture
def root(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / 'copy'))


def edit(root, table, change):
    path = root / f'v1.0-mini/{table}.json'
    records = json.loads(path.read_text())
    change(records)
    path.write_text(json.dumps(records))
    return records


def test_whole_tables_pass(root):
    assert check_tables(root, 'v1.0-mini') is None
    assert {path.stem for path in (root / 'v1.0-mini').iterdir()} == set(LINKS)
    edit(root, 'sample_annotation', lambda table: table[0].update(visibility_token=''))
    check_tables(root, 'v1.0-mini')  # real ones have such


@pytest.mark.parametrize('table, field, target', [
    (table, field, target) for table, links in LINKS.items() for field, target in links.items()
])  # fmt: skip
def test_a_dangling_token_is_refused(root, table, field, target):
    def spoil(records):
        value = records[1 % len(records)][field]
        records[1 % len(records)][field] = [NOWHERE] if isinstance(value, list) else NOWHERE

    records = edit(root, table, spoil)
    known = len(json.loads((root / f'v1.0-mini/{target}.json').read_text()))
    match = (f'v1.0-mini/{table}.json: {field} of record {records[1 % len(records)]["token"]} is '
             f"'{NOWHERE}', which names none of the {known} records of {target}.json, the nearest"
             " is '")  # fmt: skip
    with pytest.raises(ValueError, match=match):
        write_nuscenes_infos(root, 'v1.0-mini')


def test_the_nearest_token_is_named(root):
    token = json.loads((root / 'v1.0-mini/ego_pose.json').read_text())[0]['token']
    edit(root, 'sample_data', lambda table: table[0].update(ego_pose_token=token[:30] + 'xx'))
    with pytest.raises(ValueError, match=f"the nearest is '{token}'"):
        check_tables(root, 'v1.0-mini')


def test_an_empty_token_is_refused_where_no_chain_ends(root):
    edit(root, 'sample', lambda table: table[0].update(scene_token=''))
    with pytest.raises(ValueError, match=r"scene_token of record \w+ is '', .* 1 records of scene"):
        check_tables(root, 'v1.0-mini')


def test_missing_tables_are_refused(root):
    (root / 'v1.0-mini/log.json').rename(root / 'v1.0-mini/logs.json')
    with pytest.raises(FileNotFoundError, match='v1.0-mini/log.json is missing, nuScenes has the '
                       'tables attribute, .*, visibility; the nearest .*logs.json'):  # fmt: skip
        check_tables(root, 'v1.0-mini')
    with pytest.raises(FileNotFoundError, match='tables of nuScenes v1.0-trainval are expected in '
                       '.*v1.0-trainval, which does not exist; .*v1.0-mini'):  # fmt: skip
        check_tables(root, 'v1.0-trainval')


def test_maps_without_image_and_logs_without_map_are_refused(root):
    edit(root, 'map', lambda table: table[0].update(log_tokens=[]))
    with pytest.raises(ValueError, match=r'log.json: record \w+ is in the log_tokens of none of '
                       'the 1 records of map.json'):  # fmt: skip
        check_tables(root, 'v1.0-mini')
    edit(root, 'map', lambda table: table[0].update(filename='maps/lost.png'))
    with pytest.raises(FileNotFoundError, match=r'map.json: filename of record \w+ is .*lost.png, '
                       'which does not exist'):  # fmt: skip
        check_tables(root, 'v1.0-mini')


def test_a_key_frame_without_a_scan_is_refused(root):
    edit(root, 'sample_data', lambda table: table[1].update(is_key_frame=False))
    with pytest.raises(ValueError, match=r'sample.json: record \w+ has no key frame of LIDAR_TOP '
                       r'in sample_data.json, expected .* \(1 of 2 have one\)'):  # fmt: skip
        check_tables(root, 'v1.0-mini')
