"""What the file says of a head that numpy decodes, and of one that it does not."""

import pytest
from toy_export import toy

from projects.SRKD.export.about import about
from projects.SRKD.export.exportable import graph_of


@pytest.mark.parametrize('before, told', [(-1, None), (0, None), (20, 20)])
def test_a_limit_that_is_none_is_told_as_none(before, told):
    network = toy('anchors').network
    network.bbox_head.test_cfg.nms_pre = before
    head = about(network, graph_of(network), ['a', 'b'])['head']
    assert head['nms_pre'] == told
    assert head['max_num'] == 10 and head['rotated'] and head['nms_thr'] == 0.01
    (level,) = head['levels']
    assert level['size'] == [16, 16] and len(level['first']) == len(level['step']) == 4


def test_other_heads_are_left_to_their_user():
    network = toy('centers').network
    assert about(network, graph_of(network), 'abc')['head'] is None
    network = toy('anchors').network
    network.bbox_head.use_sigmoid_cls = False
    assert about(network, graph_of(network), 'ab')['head'] is None
