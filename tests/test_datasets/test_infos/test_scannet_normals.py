"""Normals come from the mesh, turned as its points are."""

import numpy as np
import pytest
import trimesh

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.datasets.infos.scannet_normals import vertex_normals, write_scannet_normals

TURN = np.array([[0.0, -1, 0, 2], [1, 0, 0, 3], [0, 0, 1, 4], [0, 0, 0, 1]])


def scene(root, matrix=None, drop=0):
    """A ball as a scan of ScanNet, its points as mmdet3d exports them; unit vertices."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    place = root / 'scans/scene0000_00'
    place.mkdir(parents=True)
    ball.export(str(place / 'scene0000_00_vh_clean_2.ply'))
    numbers = ' '.join(map(str, TURN.ravel()))
    (place / 'scene0000_00.txt').write_text(f'numDepthFrames = 1\naxisAlignment = {numbers}\n')
    vertices, matrix = np.asarray(ball.vertices), np.eye(4) if matrix is None else matrix
    points = np.zeros((len(vertices) - drop, 6), np.float32)
    points[:, :3] = (vertices @ matrix[:3, :3].T + matrix[:3, 3])[: len(points)]
    (root / 'points').mkdir()
    points.tofile(root / 'points/scene0000_00.bin')
    return vertices


@pytest.mark.parametrize('matrix', [None, TURN], ids=['as scanned', 'upright'])
def test_normals_of_a_ball_point_outward_where_its_points_are(tmp_path, matrix):
    vertices = scene(tmp_path, matrix)
    assert write_scannet_normals(tmp_path) == 1
    found = np.fromfile(tmp_path / 'normals/scene0000_00.bin', np.float32).reshape(-1, 3)
    wanted = vertices if matrix is None else vertices @ matrix[:3, :3].T
    assert (found * wanted).sum(1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_normals_equal_a_loop_over_faces():
    generator = np.random.default_rng(0)
    vertices, faces = generator.random((7, 3)), generator.integers(0, 6, (9, 3))
    total = np.zeros((7, 3))
    for a, b, c in faces:
        across = np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
        for corner in (a, b, c):
            total[corner] += across
    length = np.linalg.norm(total, axis=1)
    found = vertex_normals(vertices, faces)
    for own, wanted, size in zip(found, total, length):
        np.testing.assert_allclose(own, wanted / size if size else 0 * wanted, atol=1e-12)
    assert not found[6].any()  # of no face


def test_what_does_not_belong_together_is_refused(tmp_path):
    with pytest.raises(UsageError, match='must hold the points that mmdet3d exports'):
        write_scannet_normals(tmp_path)
    scene(tmp_path / 'fewer', drop=1)
    with pytest.raises(UsageError, match='the 162 vertices of .*, but got 161 points: export them'):
        write_scannet_normals(tmp_path / 'fewer')
    scene(tmp_path / 'moved', np.eye(4) + 0.1)
    with pytest.raises(UsageError, match='in their order, but got other coordinates'):
        write_scannet_normals(tmp_path / 'moved')
    scene(tmp_path / 'gone')
    (tmp_path / 'gone/scans/scene0000_00/scene0000_00_vh_clean_2.ply').unlink()
    with pytest.raises(FileMissingError, match='the mesh .*vh_clean_2.ply does not exist'):
        write_scannet_normals(tmp_path / 'gone')
