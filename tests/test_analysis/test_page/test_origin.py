from hashlib import sha256

import torch
from toy_page import room_networks
from toy_work_dir import body

from projects.SRKD.analysis.page.origin import origin, told


def test_weights_tell_where_they_come_from(tmp_path):
    one, teacher = room_networks(tmp_path)
    content = torch.load(teacher.checkpoint, weights_only=False)
    meta = dict(license='CC0-1.0', seed=3, commit='abc', dataset_meta=dict(classes=('a', 'b')))
    torch.save(content | dict(meta=meta), teacher.checkpoint)
    text = body(origin([one, teacher])).text
    assert 'CC0-1.0' in text and 'seed 3, commit abc, 2 classes' in text and 'not said' in text
    assert sha256(teacher.checkpoint.read_bytes()).hexdigest()[:16] in text
    assert 'ScanNetSegDataset' in text


def test_weights_that_are_not_there_or_damaged_are_told(tmp_path):
    one, teacher = room_networks(tmp_path)
    teacher.checkpoint.write_bytes(b'PK\x03\x04 not a checkpoint')
    text = body(origin([one._replace(checkpoint=None), teacher])).text
    assert 'weights of student alone: no file' in text and 'metadata of ' in text


def test_empty_metadata_say_nothing():
    assert told({}) == told(dict(seed=None, hook_msgs={})) == 'nothing'
