"""Normals of ScanNet's points from its meshes, as the official networks were given them.

Layout of the files: the ScanNet repository. A point of mmdet3d's export is a vertex of
``{scene}_vh_clean_2.ply``, in that order.

Shape letters: n vertices, F faces.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...base import FileMissingError, UsageError, nearest_path, write_whole
from ...base.progress import progress

_NEAR = 1e-3  # meters


def write_scannet_normals(root: str | Path) -> int:
    """Write ``normals/{scene}.bin``, float32 ``(n, 3)``, for every ``points/{scene}.bin``.

    Where the points are the mesh's turned upright (``axisAlignment`` of ``{scene}.txt``), the
    normals are turned with them.

    Args:
        root: Folder of ``points`` and of ``scans`` or ``scans_test``, as downloaded; receives the
            normals.

    Returns:
        Number of scenes.

    Raises:
        FileMissingError: If a scene has no mesh.
        UsageError: If there are no points, they are not the vertices of their mesh, or the root is
            read-only.
    """
    root = Path(root)
    files = sorted((root / 'points').glob('*.bin'))
    if not files:
        raise UsageError(
            f'{root / "points"} must hold the points that mmdet3d exports, but got none'
        )
    if not os.access(root, os.W_OK):
        raise UsageError(f'{root} receives the normals; it is read-only')
    (root / 'normals').mkdir(exist_ok=True)
    for file in progress('scenes', files):
        normals = _normals(root, file)
        with write_whole(root / 'normals' / file.name) as part:
            normals.astype(np.float32).tofile(part)
    return len(files)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Mean direction of a vertex's faces, weighted by area.

    Args:
        vertices: ``(n, 3)``.
        faces: Rows of vertices, counterclockwise from outside, ``(F, 3)``.

    Returns:
        ``(n, 3)`` of unit length; zeros where a vertex has no face.
    """
    first, second, third = (vertices[faces[:, i]] for i in range(3))
    across = np.cross(second - first, third - first)  # (F, 3), of twice the area
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], across)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0)


def _normals(root: Path, file: Path) -> np.ndarray:
    import trimesh  # of mmdet3d's requirements; slow to import

    scene = file.stem
    place = next((p for p in ('scans', 'scans_test') if (root / p / scene).is_dir()), 'scans')
    mesh = root / place / scene / f'{scene}_vh_clean_2.ply'
    if not mesh.is_file():
        raise FileMissingError(f'the mesh {mesh} does not exist; {nearest_path(mesh)}')
    content = trimesh.load(str(mesh), process=False)  # keeps the order of the vertices
    vertices, faces = np.asarray(content.vertices, np.float64), np.asarray(content.faces)
    points = np.fromfile(file, np.float32).reshape(-1, 6)[:, :3]
    if len(points) != len(vertices):
        raise UsageError(
            f'{file} must hold the {len(vertices)} vertices of {mesh.name}, but got {len(points)} '
            'points: export them without max_num_point'
        )
    turn = _alignment(mesh.with_name(f'{scene}.txt'))
    for matrix in (np.eye(4), turn):
        moved = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        if np.abs(moved - points).max(initial=0) < _NEAR:
            return vertex_normals(vertices, faces) @ matrix[:3, :3].T
    raise UsageError(
        f'{file} must hold the vertices of {mesh.name} in their order, but got other coordinates'
    )


def _alignment(path: Path) -> np.ndarray:
    if path.is_file():
        for line in path.read_text().splitlines():
            name, _, numbers = line.partition('=')
            if name.strip() == 'axisAlignment':
                return np.array([float(number) for number in numbers.split()]).reshape(4, 4)
    return np.eye(4)
