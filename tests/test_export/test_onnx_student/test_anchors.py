"""Anchors and decoding in numpy are those of mmdet3d's head."""

import copy

import numpy as np
import pytest
import torch
from mmdet3d.registry import TASK_UTILS
from mmdet3d.structures import LiDARInstance3DBoxes
from toy_export import nuscenes, toy

from projects.SRKD.export.about import about
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.graphs import named_tensors
from projects.SRKD.export.onnx_student.anchors import boxes_of, decoded, grid_anchors


def told(network, changes=None):
    head = getattr(network, 'pts_bbox_head', getattr(network, 'bbox_head', None))
    head.test_cfg.update(changes or {})
    return head, about(network, graph_of(network), 'abcdefghij')['head']


@pytest.mark.parametrize('network', [lambda: toy('anchors').network, nuscenes])
def test_anchors_are_those_of_the_generator(network):
    head, levels = told(network())
    sizes = [level['size'] for level in levels['levels']]
    for own, theirs in zip(
        grid_anchors(levels['levels']), head.prior_generator.grid_anchors(sizes, device='cpu')
    ):
        wanted = theirs.reshape(-1, theirs.shape[-1]).numpy()
        np.testing.assert_allclose(own, wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize('size', [7, 9])
def test_boxes_are_decoded_as_the_coder_does(size):
    anchors, deltas = torch.rand(20, size) + 0.5, torch.randn(20, size)
    coder = TASK_UTILS.build(dict(type='DeltaXYZWLHRBBoxCoder', code_size=size))
    wanted = coder.decode(anchors, deltas).numpy()
    np.testing.assert_allclose(decoded(anchors.numpy(), deltas.numpy()), wanted, atol=1e-5)


@pytest.mark.parametrize(
    'changes',
    [
        {},
        dict(use_rotate_nms=False, nms_thr=0.3),
        dict(nms_pre=-1, score_thr=0.9, max_num=60),
        dict(score_thr=0.999999),
    ],
)
@pytest.mark.parametrize('network', [lambda: toy('anchors').network, nuscenes])
def test_boxes_are_those_of_the_head(network, changes):
    head, values = told(network(), changes)
    generator = torch.Generator().manual_seed(3)
    outs = [
        [torch.randn(one.shape, generator=generator) for one in level]
        for level in head_maps(head, values)
    ]
    (wanted,) = head.predict_by_feat(
        *copy.deepcopy(outs), batch_input_metas=[dict(box_type_3d=LiDARInstance3DBoxes)]
    )
    maps = dict(named_tensors(dict(zip(('cls_score', 'bbox_pred', 'dir_cls_pred'), outs))))
    found = boxes_of({name: value.numpy() for name, value in maps.items()}, values)
    assert len(wanted) == len(found['labels'])
    assert (len(wanted) == 0) == (changes.get('score_thr') == 0.999999)
    assert found['labels'].tolist() == wanted.labels_3d.tolist()
    near = dict(rtol=0, atol=1e-3)
    np.testing.assert_allclose(found['boxes'], wanted.bboxes_3d.tensor.numpy(), **near)
    np.testing.assert_allclose(found['scores'], wanted.scores_3d.numpy(), **near)


def head_maps(head, values):
    """Empty maps of the head's sizes."""
    channels = head.in_channels if isinstance(head.in_channels, int) else head.in_channels[0]
    feats = [torch.zeros(1, channels, *level['size']) for level in values['levels']]
    with torch.no_grad():
        return head(feats)
