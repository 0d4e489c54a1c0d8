"""KITTI's ground truth as its own detection: what of it counts, and why the rest does not."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet3d.evaluation import KittiMetric
from mmdet3d.evaluation.functional.kitti_utils import eval as kitti
from mmdet3d.structures import BaseInstance3DBoxes, Box3DMode, points_cam2img
from torch import Tensor

from ..evaluation.kitti_metric import CLASSES, DIFFICULTIES, valid_objects

_OBSTACLES = dict(
    box='{} have an image box (bbox) without area, such as -1 or 0: the image boxes are unknown, '
    'and KITTI counts objects by their height in the image',
    range='{} lie outside pcd_limit_range {limit} of the metric: give it the range of the data, as '
    'for a sensor on another height',
    image='{} do not project into the image of {width} x {height} pixels: width and height may be '
    'swapped, or the calibration wrong',
    rules='{} are too small in the image (25 pixels or less), too occluded or too truncated to '
    'count at any difficulty',
)
"""What keeps an object from being counted or found, as it is told."""


class KittiTruth:
    """Objects of some frames that went through the filters of a ``KittiMetric``.

    Average precision itself is not computed: its functions take seconds to compile.

    Args:
        metric: The metric; left as it is.
        content: What its info file holds, with the frames to look at alone.
        found: Of every frame ``bboxes_3d``, ``labels_3d`` and ``scores_3d`` of its objects.
        classes: Names of the labels.

    Attributes:
        objects: Number of objects by class.
        hits: Those that count and that their own box finds.
    """

    def __init__(
        self, metric: KittiMetric, content: Mapping, found: Sequence[dict], classes: Sequence[str]
    ) -> None:
        self.metric, self.found, self.classes = copy.copy(metric), found, list(classes)
        self.infos = self.metric.convert_annos_to_kitti_annos(copy.deepcopy(content))
        self.objects, self.hits = Counter(), Counter()
        for info, frame in zip(self.infos, found):
            names = (str(name) for name in info['kitti_annos']['name'])
            self.objects.update(name for name in names if name in classes)
            self.hits += self._hits(frame, info)

    def _hits(self, frame: dict, info: dict) -> Counter:
        """Number of objects of every class that count and whose own box finds them."""
        truth = info['kitti_annos']
        places = [i for i, name in enumerate(truth['name']) if name in self.classes]
        if not places:
            return Counter()
        order = torch.arange(len(places), dtype=torch.float32)
        # Numbers in place of scores say which boxes are kept.
        boxes = dict(frame, bboxes_3d=frame['bboxes_3d'].clone(), scores_3d=order)
        kept = self.metric.convert_valid_bboxes(boxes, info)
        index = kept['scores'].astype(int)
        said = dict(name=np.asarray(truth['name'])[places][index], bbox=kept['bbox'])
        hits = Counter()
        for name in set(said['name'].tolist()) & set(CLASSES):
            numbers = CLASSES.index(name), len(DIFFICULTIES) - 1  # the mildest rules
            _, left_out, unseen, _ = kitti.clean_data(truth, said, *numbers)
            hits[name] = sum(
                left_out[places[number]] == 0 and unseen[row] == 0
                for row, number in enumerate(index)
            )
        return hits

    def reasons(self, zero: Sequence[str]) -> str:
        """Say what keeps objects of some classes from being counted, most frequent first."""
        counts, total = self._obstacles(zero), sum(self.objects[name] for name in zero)
        camera = self.infos[0]['images'][self.metric.default_cam_key]
        place = dict(
            limit=list(self.metric.pcd_limit_range),
            width=camera.get('width'),
            height=camera.get('height'),
        )
        told = [
            _OBSTACLES[name].format(f'{count} of {total}', **place)
            for name, count in counts.most_common()
            if count > 0
        ]
        return '; '.join(told) or f'none of the {total} objects is found again'

    def _obstacles(self, zero: Sequence[str]) -> Counter:
        """Number of objects of some classes that each of :data:`_OBSTACLES` keeps out."""
        counts, valid = Counter(), 0
        limit = torch.tensor(self.metric.pcd_limit_range)
        numbers = torch.tensor([self.classes.index(name) for name in zero])
        for info, frame in zip(self.infos, self.found):
            truth = info['kitti_annos']
            named = np.isin(np.asarray(truth['name']), zero)
            image = np.asarray(truth['bbox'], float).reshape(-1, 4)[named]
            boxes = frame['bboxes_3d'][torch.isin(frame['labels_3d'], numbers)]
            inside = ((boxes.center > limit[:3]) & (boxes.center < limit[3:])).all(1)
            valid += sum(valid_objects([truth], name, DIFFICULTIES[-1]) for name in zero)
            counts['box'] += int((image[:, 2:] <= image[:, :2]).any(1).sum())
            counts['range'] += int((~inside).sum())
            counts['image'] += int((~_in_image(self.metric, boxes, info)).sum())
        counts['rules'] = sum(self.objects[name] for name in zero) - valid - counts['box']
        return counts


def _in_image(metric: KittiMetric, boxes: BaseInstance3DBoxes, info: dict) -> Tensor:
    """Which boxes ``KittiMetric`` takes to be in the image, (n,)."""
    camera = info['images'][metric.default_cam_key]
    if not len(boxes):
        return torch.zeros(0, dtype=torch.bool)
    lidar2cam = np.array(camera['lidar2cam'], np.float32)
    corners = boxes.convert_to(Box3DMode.CAM, lidar2cam).corners  # (n, 8, 3)
    pixels = points_cam2img(corners, corners.new_tensor(camera['cam2img']))
    low, high = pixels.amin(1), pixels.amax(1)
    return (low < low.new_tensor([camera['width'], camera['height']])).all(1) & (high > 0).all(1)
