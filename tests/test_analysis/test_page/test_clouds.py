import base64

import numpy as np
from toy_page import frame, room_networks
from toy_work_dir import body

from projects.SRKD.analysis.page.clouds import clouds, errors, thinned
from projects.SRKD.analysis.page.seen import Seen, look


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_views_hold_the_points_and_what_each_network_says(tmp_path):
    seen = look(room_networks(tmp_path), 2)
    page = body(clouds(seen))
    content = page.data['clouds']['3D views of scans']
    view, scan = content['scans'][1], seen.scans[1]
    for number, axis in enumerate(view['axes']):
        places = axis['least'] + axis['step'] * unpacked(axis['packed'], '<u2')
        np.testing.assert_allclose(places, scan.points[:, number], atol=1e-4)
    titles = [panel['title'] for panel in view['panels']]
    assert titles[0] == 'truth' and titles[1].startswith('student alone, mIoU of this scan')
    assert len(titles) == 5 and titles[4].startswith('teacher: ')
    truth, alone, teacher, wrong, _ = (unpacked(of['packed'], 'u1') for of in view['panels'])
    assert (truth == scan.truth).all() and (teacher == scan.found['teacher']).all()
    assert (wrong[truth < 20] == (alone != truth)[truth < 20]).all()
    assert (wrong[truth == 20] == 2).all()
    assert content['looks']['classes']['names'][-1] == 'no label'
    assert len(content['looks']['classes']['colors']) == 21
    assert len(page.resources) == 1 and page.resources[0].startswith('data:image/png;base64,')


def test_points_are_thinned_evenly_below_the_ceiling():
    points = np.random.default_rng(1).uniform(0, 3, (1000, 3))
    assert len(thinned(points)) == 1000
    kept = thinned(points, ceiling=1.5, most=100)
    assert len(kept) == 100 and (np.diff(kept) > 0).all()
    assert (points[kept, 2] < points[:, 2].min() + 1.5).all()
    assert len(thinned(np.zeros((0, 3)))) == 0


def test_errors_are_counted_on_labeled_points_alone():
    assert errors(np.array([0, 1, -1, 2]), np.array([0, 2, 0, 2]), 2).tolist() == [0, 1, 2, 2]


def test_without_labels_of_points_it_says_what_is_missing():
    assert 'These networks find boxes' in body(clouds(frame())).text
    text = body(clouds(Seen(lacking='weights: none'))).text
    assert 'weights: none' in text and 'report.py WORK_DIR...' in text
