import numpy as np
from toy_page import frame, room_networks
from toy_work_dir import body

from projects.SRKD.analysis.page.boxes import POINTS, boxes
from projects.SRKD.analysis.page.seen import Seen, look


def test_a_frame_shows_truth_and_strong_boxes():
    page = body(boxes(frame()))
    ((label, content),) = page.data['chart'].items()
    assert label == '0: 000000, teacher: found 1 of 2, 1 false'
    traces = {one['name']: one for one in content['data']}
    assert set(traces) == {'points', 'truth', 'Car'}  # the person's score is low
    assert len(traces['points']['x']) == POINTS
    # corner 1 of the car at (10, 10), 4 m by 2 m: ahead 12, left 11, which is x = -11 here
    assert (traces['Car']['x'][0], traces['Car']['y'][0]) == (-11, 12)
    assert traces['Car']['x'][7] is None and len(traces['Car']['x']) == 16
    assert traces['Car']['text'][0] == 'Car 0.90'
    assert np.isfinite([x for x in traces['truth']['x'] if x is not None]).all()


def test_segmentors_have_no_boxes(tmp_path):
    assert 'These networks label points' in body(boxes(look(room_networks(tmp_path), 1))).text
    assert 'Missing: weights: none' in body(boxes(Seen(lacking='weights: none'))).text
