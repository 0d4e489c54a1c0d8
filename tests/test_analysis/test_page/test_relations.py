import numpy as np
import pytest
from toy_page import frame, room_networks
from toy_work_dir import body

from projects.SRKD.analysis.page.relations import relations
from projects.SRKD.analysis.page.seen import look


def test_each_network_has_a_map_and_a_difference_from_the_teacher(tmp_path):
    networks = room_networks(tmp_path)
    seen = look(networks, 1)
    page = body(relations(seen, networks))
    titles = list(page.data['chart'])
    assert titles[:2] == ['affinity map, student alone', 'affinity map, teacher']
    own, theirs = (seen.affinities.matrices[one.name] for one in networks)
    gap = page.data['chart'][titles[2]]['data'][0]['z']
    np.testing.assert_allclose(gap, own - theirs, atol=6e-4)
    assert titles[2].endswith(f'mean square {((own - theirs) ** 2).mean():.3f}')
    assert len(titles) == 3


def test_without_a_teacher_or_labels_it_says_so(tmp_path):
    networks = room_networks(tmp_path)[:1]
    text = body(relations(look(networks, 1), networks)).text
    assert 'no teacher with weights' in text
    assert 'These networks find boxes' in body(relations(frame(), [])).text
    seen = look(networks, 1)
    seen.affinities = None
    assert 'Missing: affinity maps: the first scan has no' in body(relations(seen, networks)).text


@pytest.mark.parametrize('kept', [np.s_[:0], np.s_[:1]])
def test_a_scan_of_hardly_a_label_has_no_map(tmp_path, kept):
    from projects.SRKD.analysis.networks import build_network, read_scenes
    from projects.SRKD.analysis.page.seen import affinities

    (one, _) = room_networks(tmp_path)
    truth = np.full(500, 20)
    truth[kept] = 0
    network = build_network(one.config, one.checkpoint)
    found = affinities({one.name: network}, read_scenes(one.config)[0], truth)
    assert found is None or found.matrices[one.name].tolist() == [[0.0]]
