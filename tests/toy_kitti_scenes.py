"""Random KITTI frames with every kind of box that overlaps are hard for, and infos of them."""

import math

import mmengine
import numpy as np
import torch
from mmdet3d.structures import Box3DMode, CameraInstance3DBoxes

SIZES = {'Car': (3.9, 1.6, 1.6), 'Van': (5, 2.2, 1.9), 'Pedestrian': (0.8, 1.7, 0.6),
         'Person_sitting': (0.8, 1.3, 0.6), 'Cyclist': (1.8, 1.7, 0.6), 'Truck': (10, 3, 2.6),
         'DontCare': (-1, -1, -1)}  # fmt: skip
SHARES = (0.3, 0.08, 0.2, 0.06, 0.2, 0.06, 0.1)
# how a detection differs from its object: x, y, z in sizes, sizes (factor), yaw
KINDS = [
    lambda r: (np.zeros(3), np.ones(3), 0),  # identical
    lambda r: (np.zeros(3), np.ones(3), math.pi * r.integers(-3, 4)),
    lambda r: (r.uniform(-1e-6, 1e-6, 3), np.ones(3), 0),
    lambda r: (np.array([r.uniform(-0.6, 0.6), 0, 0]), np.ones(3), 0),  # shares two edges
    lambda r: (np.array([0, 0, r.choice([-1, 1])]), np.ones(3), math.pi),  # touches
    lambda r: (np.array([0, r.uniform(-1, 1), 0]), np.ones(3), 0),  # above or below
    lambda r: (np.zeros(3), r.uniform(0.6, 0.99, 3), 0),  # contained
    lambda r: (np.zeros(3), np.array([1, 1, 0]), 0),  # no width
    lambda r: (np.zeros(3), np.ones(3), r.uniform(-20, 20)),
    *[lambda r: (r.normal(0, 0.05, 3), r.uniform(0.9, 1.1, 3), r.normal(0, 0.1))] * 4,
    lambda r: (r.normal(0, 0.3, 3), r.uniform(0.7, 1.3, 3), r.normal(0, 1)),
]


def annotation(names, location, dimensions, yaw, bbox, **more):
    return dict(name=np.array(names, dtype='U14'), alpha=np.full(len(names), -10.0), bbox=bbox,
                location=location, dimensions=dimensions, rotation_y=yaw, **more)  # fmt: skip


def scenes(frames, seed, objects=14, detections=28):
    """Annotations and detections of random frames; boxes in the image are near the limits."""
    r = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(frames):
        names = r.choice(list(SIZES), objects, p=SHARES)
        size = np.array([SIZES[name] for name in names]) * r.uniform(0.8, 1.2, (objects, 1))
        place = r.uniform((-15, 1, 5), (15, 2, 40), (objects, 3))
        place[names == 'DontCare'] = -1000
        yaw = r.uniform(-7, 7, objects)
        corner = r.uniform(0, 500, (objects, 2))
        bbox = np.hstack([corner, corner + r.uniform(22, 70, (objects, 2))])
        truth.append(annotation(names, place, size, yaw, bbox,
                                truncated=r.choice([0, 0, 0.1, 0.15, 0.2, 0.4, 0.6], objects),
                                occluded=r.choice([0, 0, 0, 1, 2, 3], objects)))  # fmt: skip
        real = np.flatnonzero(names != 'DontCare')
        rows = r.choice(real, detections)
        moves = [KINDS[k](r) for k in r.integers(0, len(KINDS), detections)]
        shift, factor, turn = (np.array(each) for each in zip(*moves))
        cos, sin = np.cos(yaw[rows]), np.sin(yaw[rows])
        x, y, z = (shift * size[rows]).T
        moved = place[rows] + np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=1)
        other = r.choice(['Car', 'Pedestrian', 'Cyclist'], detections)
        guess = np.where(r.random(detections) < 0.9, names[rows], other)
        box = bbox[r.choice(objects, detections)] if r.random() < 0.2 else bbox[rows]
        found.append(annotation(guess, moved, size[rows] * factor, yaw[rows] + turn,
                                box + r.normal(0, 2, (detections, 4)),
                                score=r.random(detections)))  # fmt: skip
    return truth, found


LIDAR_TO_CAMERA = np.array([[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1.0]])
CAMERA_TO_IMAGE = np.array([[720, 0, 610, 0], [0, 720, 170, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
IMAGE = 375, 1242
CATEGORIES = {name: i for i, name in enumerate(['Pedestrian', 'Cyclist', 'Car', 'Van'])}


def project(box):
    """Left, top, right, bottom in the image of a camera box x, y, z, length, height, width, yaw."""
    x, y, z, length, height, width, yaw = box
    points = []
    for u, v, up in np.ndindex(2, 2, 2):
        along, across = (u - 0.5) * length, (v - 0.5) * width
        place = [x + math.cos(yaw) * along + math.sin(yaw) * across, y - up * height,
                 z - math.sin(yaw) * along + math.cos(yaw) * across]  # fmt: skip
        (a, b, depth) = CAMERA_TO_IMAGE[:3, :3] @ place
        points.append((a / depth, b / depth))
    points = np.clip(points, 0, IMAGE[::-1])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def row_of_cars(cars, per_frame=5, seed=0):
    """Frames of cars far enough apart to overlap in nothing, all easy."""
    r, frames = np.random.default_rng(seed), []
    for first in range(0, cars, per_frame):
        n = min(per_frame, cars - first)
        size = np.array([3.9, 1.6, 1.6]) * r.uniform(0.9, 1.1, (n, 1))
        place = np.column_stack([r.uniform(-2, 2, n), np.full(n, 1.6), 8 + 3.5 * np.arange(n)])
        yaw = math.pi / 2 * r.choice([0, 2], n) + r.normal(0, 0.1, n)
        bbox = np.array([project([*a, *b, c]) for a, b, c in zip(place, size, yaw)])
        frames.append(annotation(['Car'] * n, place, size, yaw, bbox,
                                 truncated=np.zeros(n), occluded=np.zeros(n)))  # fmt: skip
    return frames


def nobody():
    """A frame without objects."""
    return annotation([], *np.zeros((2, 0, 3)), np.zeros(0), np.zeros((0, 4)),
                      truncated=np.zeros(0), occluded=np.zeros(0))  # fmt: skip


def write_infos(path, frames):
    """Write what mmdet3d's converter writes of these frames; returns the path as a string."""
    camera = dict(cam2img=CAMERA_TO_IMAGE.tolist(), lidar2cam=LIDAR_TO_CAMERA.tolist(),
                  height=IMAGE[0], width=IMAGE[1])  # fmt: skip
    infos = []
    for index, frame in enumerate(frames):
        columns = ('name', 'bbox', 'location', 'dimensions', 'rotation_y', 'truncated', 'occluded')
        instances = [
            dict(bbox_label=CATEGORIES[name], bbox=bbox.tolist(), bbox_3d=[*place, *size, yaw],
                 truncated=truncated, occluded=occluded, alpha=0.0, score=0.0)
            for name, bbox, place, size, yaw, truncated, occluded in zip(
                *(frame[column] for column in columns))
        ]  # fmt: skip
        infos.append(dict(sample_idx=index, images=dict(CAM2=camera), instances=instances))
    mmengine.dump(dict(metainfo=dict(categories=CATEGORIES), data_list=infos), path)
    return str(path)


def predictions(frames, classes):
    """What a detector would return that finds these boxes: a data sample of each frame."""
    samples = []
    for index, frame in enumerate(frames):
        boxes = np.column_stack([frame['location'], frame['dimensions'], frame['rotation_y']])
        boxes = CameraInstance3DBoxes(torch.tensor(boxes, dtype=torch.float32).view(-1, 7))
        boxes = boxes.convert_to(Box3DMode.LIDAR, np.linalg.inv(LIDAR_TO_CAMERA))
        labels = torch.tensor([classes.index(name) for name in frame['name']], dtype=torch.long)
        scores = torch.tensor(frame.get('score', np.ones(len(labels))), dtype=torch.float32)
        found = dict(bboxes_3d=boxes, scores_3d=scores, labels_3d=labels)
        samples.append(dict(sample_idx=index, pred_instances_3d=found, pred_instances={}))
    return samples
