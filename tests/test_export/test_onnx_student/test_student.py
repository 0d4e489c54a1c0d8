"""The student needs numpy and onnxruntime alone, and answers as the network does."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from processes import run

from projects.SRKD.export import onnx_student
from projects.SRKD.export.onnx_student import OnnxStudent

FOLDER = Path(onnx_student.__file__).parent
# Runs the copied folder where nothing of torch, mmdet3d or this project can be imported.
CODE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'mmengine', 'mmcv', 'mmdet3d', 'projects', 'onnx'):
            raise SystemExit(f'the student imports {name}')

sys.meta_path.insert(0, Refuse())
sys.argv[0] = 'onnx_student'
runpy.run_module('onnx_student', run_name='__main__', alter_sys=True)
"""


@pytest.mark.parametrize('size', [41, 300])
def test_classes_of_points_are_those_of_the_segmentor(exported, size):
    toy, _, student, _ = exported('segmentor')
    with torch.no_grad():
        wanted = toy.network.test_step(toy.scan(size))[0]
    found = student(toy.cloud(size))
    logits = wanted.pts_seg_logits.pts_seg_logits.T.numpy()
    np.testing.assert_allclose(found['logits'], logits, rtol=0, atol=1e-4)
    assert np.array_equal(found['labels'], wanted.pred_pts_seg.pts_semantic_mask.numpy())


@pytest.mark.parametrize('size', [41, 300])
def test_boxes_are_those_of_the_detector(exported, size):
    toy, _, student, _ = exported('anchors')
    with torch.no_grad():
        wanted = toy.network.test_step(toy.scan(size))[0].pred_instances_3d
    found = student(toy.cloud(size))
    assert found['labels'].tolist() == wanted.labels_3d.tolist()
    np.testing.assert_allclose(found['boxes'], wanted.bboxes_3d.tensor, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found['scores'], wanted.scores_3d, rtol=0, atol=1e-4)


def test_a_head_that_numpy_cannot_decode_answers_with_its_maps(exported):
    toy, _, student, _ = exported('centers')
    found = student(toy.cloud(41))
    assert found['task.1.0.heatmap'].shape == (1, 2, 16, 16) and len(found) == 12


def test_an_empty_scan_has_an_answer(exported):
    _, _, student, _ = exported('anchors')
    beyond = np.full((5, 4), 1000, np.float32)
    assert student(beyond)['boxes'].shape[1] == 7


def test_it_runs_from_its_folder_without_torch(exported, tmp_path):
    toy, _, student, path = exported('anchors')
    shutil.copytree(FOLDER, tmp_path / 'onnx_student', ignore=shutil.ignore_patterns('__pycache__'))
    cloud = toy.cloud(300)
    np.concatenate([cloud, cloud[:, :1]], 1).tofile(tmp_path / 'scan.bin')  # a column too many
    words = [path, 'scan.bin', '--columns', '5', '--threads', '1', '--out', 'boxes']
    done = run([sys.executable, '-c', CODE, *map(str, words)], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'scan.bin: 300 points' in done.stdout and 'class0 ' in done.stdout
    found = np.load(tmp_path / 'boxes/scan.npz')
    assert np.array_equal(found['boxes'], student(cloud)['boxes'])


def test_what_it_reads_is_in_the_file(exported):
    about = exported('anchors').student.about
    assert about['task'] == 'detection' and about['classes'] == ['class0', 'class1']
    assert about['columns'] == 4 and about['network'] == 'VoxelNet'
    assert about['preprocessing'] == dict(
        voxel_size=[0.32, 0.32, 4.0],
        point_cloud_range=[0.0, -5.12, -3.0, 10.24, 5.12, 1.0],
        max_points=8,
        max_pillars=800,
    )
    about = exported('segmentor').student.about
    assert about['task'] == 'segmentation' and about['preprocessing'] == dict(
        voxel_size=[0.1, 0.1, 0.1], map_low=[0.0, 0.0], pillar_size=0.1
    )


def test_mistakes_are_told(exported, tmp_path):
    _, _, student, path = exported('anchors')
    with pytest.raises(ValueError, match=r'points must be \(n, 4\), but got \(3, 5\)'):
        student(np.zeros((3, 5), np.float32))
    model = onnx.load(path)
    del model.metadata_props[:]
    model.metadata_props.add(key='author', value=json.dumps('someone'))
    onnx.save(model, tmp_path / 'other.onnx')
    with pytest.raises(
        ValueError, match=r"other.onnx must be a file of tools/export.py, .*'author'"
    ):
        OnnxStudent(tmp_path / 'other.onnx')
