"""Poses and calibration of a toy sequence, written as KITTI odometry writes them."""

import numpy as np


def rigid(angle, x, y, z):
    """Rotation about z by ``angle`` and a shift, (4, 4)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, z], [0, 0, 0, 1]])


# Lidar (x forward, y left, z up) to camera (x right, y down, z forward), and where the car goes.
TO_CAMERA = np.array([[0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1.0]])
LIDAR = [rigid(0, 0, 0, 0), rigid(0.1, 1, 0.2, 0), rigid(0.3, 2.5, 0.5, 0.1)]


def words(matrix):
    return ' '.join(f'{value:.12e}' for value in matrix[:3].ravel())


def write_sequence(folder, poses=LIDAR):
    """Write calib.txt and poses.txt of a sequence whose lidar poses are ``poses``."""
    folder.mkdir(parents=True, exist_ok=True)
    camera = [TO_CAMERA @ pose @ np.linalg.inv(TO_CAMERA) for pose in poses]
    (folder / 'poses.txt').write_text(''.join(words(pose) + '\n' for pose in camera))
    zero = words(np.eye(4))
    (folder / 'calib.txt').write_text(f'P0: {zero}\nTr: {words(TO_CAMERA)}\n')
    return folder
