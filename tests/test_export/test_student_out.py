"""What cannot be exported is refused before anything is written."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from toy import build, minkunet, save_checkpoint
from toy_export import segmentor, write_config

from projects.SRKD.base import FileInTheWayError, FileMissingError, UsageError
from projects.SRKD.base.errors import HeldError
from projects.SRKD.base.lock import place_held
from projects.SRKD.export.student_out import class_names, export_student


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


@pytest.fixture
def checkpoint(tmp_path):
    return save_checkpoint(segmentor(20), tmp_path / 'student.pth')


def test_a_file_that_is_there_stays(config, checkpoint, tmp_path):
    out = tmp_path / 'student.onnx'
    out.write_text('mine')
    with pytest.raises(FileInTheWayError, match='student.onnx exists: name another file, or rem'):
        export_student(config, checkpoint, out)
    (tmp_path / 'two.int8.onnx').write_text('mine')
    with pytest.raises(FileInTheWayError, match='two.int8.onnx exists'):
        export_student(config, checkpoint, tmp_path / 'two.onnx', calibrate=2)
    assert out.read_text() == 'mine' and not (tmp_path / 'two.onnx').exists()


def test_a_second_process_is_refused(config, checkpoint, tmp_path):
    out = tmp_path / 'student.onnx'
    with (
        place_held(out, 'x'),
        pytest.raises(HeldError, match='student.onnx must be written by'),
    ):
        export_student(config, checkpoint, out)
    assert not out.exists()


def test_a_file_of_another_form_is_refused(config, checkpoint, tmp_path):
    with pytest.raises(UsageError, match=r'OUT must end in .onnx, but got .*student.pt'):
        export_student(config, checkpoint, tmp_path / 'student.pt')
    with pytest.raises(UsageError, match='OUT in /proc/none cannot be written to'):
        export_student(config, checkpoint, Path('/proc/none/student.onnx'))


def test_a_checkpoint_of_another_network_is_refused(config, tmp_path):
    out = tmp_path / 'student.onnx'
    other = save_checkpoint(minkunet(num_classes=20), tmp_path / 'other.pth')
    with pytest.raises(UsageError, match=r'^checkpoint .*other.pth does not fit MinkUNet: \d+ of'):
        export_student(config, other, out)
    wider = save_checkpoint(segmentor(13), tmp_path / 'wider.pth')
    with pytest.raises(UsageError, match=r'conv_seg.weight: expected \(20, 8\), got \(13, 8\)'):
        export_student(config, wider, out)
    weights = build(segmentor(20)).state_dict()
    weights['decode_head.conv_seg.bias'][0] = torch.nan
    torch.save(dict(state_dict=weights), tmp_path / 'nan.pth')
    with pytest.raises(UsageError, match='weights must be finite, but got checkpoint .*nan.pth'):
        export_student(config, tmp_path / 'nan.pth', out)
    with pytest.raises(FileMissingError, match='checkpoint .*none.pth does not exist'):
        export_student(config, tmp_path / 'none.pth', out)
    assert not out.exists()


def test_a_network_without_onnx_operators_is_refused(tmp_path):
    config = write_config(tmp_path, minkunet(num_classes=20))
    other = save_checkpoint(minkunet(num_classes=20), tmp_path / 'other.pth')
    with pytest.raises(UsageError, match='operators that ONNX has, but got MinkUNet .*SubMConv3d'):
        export_student(config, other, tmp_path / 'student.onnx')
    assert not (tmp_path / 'student.onnx').exists()


def test_classes_are_those_of_the_checkpoint_then_the_config_then_numbers():
    network = build(segmentor(3))
    cfg = Config(dict(test_dataloader=dict(dataset=dict(metainfo=dict(classes=['a', 'b', 'c'])))))
    meta = dict(dataset_meta=dict(classes=('x', 'y', 'z')))
    assert class_names(cfg, meta, network) == ['x', 'y', 'z']
    assert class_names(cfg, {}, network) == ['a', 'b', 'c']
    assert class_names(Config(dict(metainfo=dict(classes=('u',)))), {}, network) == ['u']
    assert class_names(Config({}), {}, network) == ['0', '1', '2']
