from pathlib import Path

import numpy as np
import pytest
import torch
from toy import save_checkpoint
from toy_detectors import pointpillars
from toy_kitti import small_streets
from toy_page import room_networks

from projects.SRKD.analysis.networks import build_network, predict, read_plain, read_scenes
from projects.SRKD.analysis.page.networks import Network
from projects.SRKD.analysis.page.seen import AFFINITY_POINTS, _even_draw, look
from projects.SRKD.analysis.point_features import point_features

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def networks(tmp_path):
    return room_networks(tmp_path)


def test_every_network_has_looked_at_the_same_scans(networks):
    seen = look(networks, 2)
    assert [len(scan.points) for scan in seen.scans] == [500, 300]
    assert seen.lacking == '' and len(seen.classes) == 20 == len(seen.palette)
    assert list(seen.costs) == ['student alone', 'teacher']
    for one in networks:
        network = build_network(one.config, one.checkpoint)
        batch = read_scenes(networks[0].config, 1)[0]
        labels = predict(network, batch).pred_pts_seg.pts_semantic_mask.numpy()
        assert (seen.scans[1].found[one.name] == labels).all()
    truth = seen.scans[0].truth
    assert len(truth) == 500 and set(truth.tolist()) == {0, 1, 20}


def test_affinities_are_distances_of_normalized_features(networks):
    found = look(networks, 1).affinities
    assert found.tap == 'backbone' and (np.diff(found.labels) >= 0).all()
    assert set(found.labels.tolist()) == {0, 1} and len(found.labels) == AFFINITY_POINTS
    one = networks[1]
    (batch,) = read_scenes(networks[0].config)
    network = build_network(one.config, one.checkpoint)
    features = point_features(network, batch, ['backbone'])['backbone']
    truth = look(networks, 1).scans[0].truth
    chosen = _even_draw(np.where(truth < 20, truth, -1))
    rows = features[torch.from_numpy(chosen)].double().tolist()
    for i in (0, 3, 70):
        for j in (1, 3, 119):
            a, b = rows[i], rows[j]
            size_a, size_b = (sum(x * x for x in of) ** 0.5 for of in (a, b))
            expected = sum((x / size_a - y / size_b) ** 2 for x, y in zip(a, b))
            assert found.matrices[one.name][i, j] == pytest.approx(expected, abs=1e-9)


def test_the_draw_is_even_over_classes():
    labels = np.array([0] * 1000 + [3] * 500 + [-1] * 100 + [7] * 5)
    drawn = labels[_even_draw(labels)]
    assert np.bincount(drawn).tolist() == [40, 0, 0, 40, 0, 0, 0, 5]
    assert len(_even_draw(np.full(9, -1))) == 0


def test_detectors_find_boxes_in_the_frames(tmp_path):
    reach = (0, -19.2, -3, 38.4, 19.2, 1)
    root = small_streets(tmp_path / 'kitti', 1, 1)
    model = pointpillars(8, cell=0.3, reach=reach)
    bases = [f'{ROOT}/configs/_base_/{base}.py'
             for base in ('datasets/mini-kitti-3d', 'default_runtime')]  # fmt: skip
    (tmp_path / 'a.py').write_text(f'_base_ = {bases!r}\nmodel = {model!r}\n')
    config = read_plain(tmp_path / 'a.py', {'test_dataloader.dataset.data_root': str(root)})
    weights = Path(save_checkpoint(model, tmp_path / 'a.pth'))
    seen = look([Network('teacher', 'teacher', config, weights, {}, '')], 1)
    assert seen.lacking == '' and seen.palette is None and seen.affinities is None
    (scan,), truth = seen.scans, seen.scans[0].truth
    assert len(truth.boxes) == len(truth.labels) > 0 and scan.points.shape[1] == 3
    assert len(scan.found['teacher'].boxes) == len(scan.found['teacher'].scores)


def test_without_weights_or_data_it_says_so(networks, tmp_path):
    bare = [one._replace(checkpoint=None) for one in networks]
    assert 'no work dir holds a checkpoint' in look(bare, 1).lacking
    others = [networks[0], networks[1]._replace(checkpoint=networks[0].checkpoint)]
    seen = look(others, 1)
    assert list(seen.costs) == ['student alone'] and seen.left_out[0].startswith('teacher: ')
    assert 'networks that can be run: teacher: ' in look(others[1:], 1).lacking
    (tmp_path / 'alone' / 'rooms').rename(tmp_path / 'gone')
    assert 'scans that the networks can look at' in look(networks, 1).lacking
