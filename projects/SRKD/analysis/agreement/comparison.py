"""Three networks on the same scans: scores, who is right where, calibration, likeness of layers.

Shape letters: P raw points of a scan, L classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from mmdet3d.evaluation.functional.seg_eval import fast_hist, per_class_iou
from torch import Tensor, nn

from ...base import UsageError
from ..fidelity import Fidelity
from ..point_features import look_through
from .calibration import Calibration
from .cka import LinearCKA
from .places import CROWDS, CUBES, DISTANCES, AccuracyBy, crowd, distance
from .rights import Rights

TEACHER, TAUGHT, ALONE = 'teacher', 'distilled', 'alone'
# Stages of PTv3 and its kin, and of MinkUNet.
_STAGES = re.compile(r'backbone\.(enc\.enc\d+|dec\.dec\d+|encoder\.\d+|decoder\.\d+\.1)')
_ALWAYS = ('backbone', 'decode_head.conv_seg')


class _Judged:
    """What is summed of one network."""

    def __init__(self, classes: int, kind: str) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        self.calibration = Calibration()
        self.by_distance, self.by_crowd = AccuracyBy(DISTANCES[kind]), AccuracyBy(CROWDS)


class Comparison:
    """Sums of a teacher and its students, scan by scan.

    Args:
        names: Of the networks; ``TEACHER`` and ``TAUGHT`` among them, perhaps ``ALONE``.
        classes: L.
        kind: ``ROOM`` or ``STREET``, see :mod:`~projects.SRKD.analysis.agreement.places`.
    """

    def __init__(self, names: Iterable[str], classes: int, kind: str) -> None:
        self.names, self.classes, self.kind = tuple(names), classes, kind
        self._judged = {name: _Judged(classes, kind) for name in self.names}
        students = [name for name in self.names if name != TEACHER]
        self._fidelity = {name: Fidelity() for name in students}
        self._rights = {other: Rights() for other in (TEACHER, ALONE) if other in self.names}
        self._alike: dict[tuple[str, str], LinearCKA] = {}

    def add(
        self,
        points: Tensor,
        truth: Tensor,
        logits: Mapping[str, Tensor],
        features: Mapping[str, Mapping[str, Tensor]],
    ) -> None:
        """Add a scan.

        Args:
            points: Coordinates, (P, >= 3).
            truth: Classes, (P,); outside of [0, L) means no label.
            logits: By network, (P, L).
            features: By network and layer, (P, C); rows of NaN are left out.
        """
        known = (truth >= 0) & (truth < self.classes)
        far, near = distance(points, self.kind)[known], crowd(points, CUBES[self.kind])[known]
        right = {}
        for name, of in self._judged.items():
            probability, label = logits[name][known].double().softmax(1).max(1)
            right[name] = label == truth[known]
            of.confusion += fast_hist(
                label.cpu().numpy(), truth[known].long().cpu().numpy(), self.classes
            )
            of.calibration.add(probability, right[name])
            of.by_distance.add(far, right[name])
            of.by_crowd.add(near, right[name])
        for other, table in self._rights.items():
            table.add(right[TAUGHT], right[other])
        for name, fidelity in self._fidelity.items():
            fidelity.add(logits[name], logits[TEACHER])
            for layer in features[name]:
                self._add_layer(name, layer, features[name][layer], features[TEACHER][layer])

    def _add_layer(self, name: str, layer: str, own: Tensor, theirs: Tensor) -> None:
        there = own.isfinite().all(1) & theirs.isfinite().all(1)
        cka = self._alike.setdefault((name, layer), LinearCKA())
        cka.add(own[there], theirs[there])

    def result(self) -> dict[str, Any]:
        """Everything, as JSON can hold it.

        Returns:
            ``iou`` and ``miou``, ``reliability``, ``by_distance`` and ``by_crowd`` by network;
            ``rights`` of the distilled student beside each other network; ``fidelity`` and ``cka``
            by student, the latter by layer.
        """
        found: dict[str, Any] = dict(kind=self.kind, cube=CUBES[self.kind])
        iou = {}
        for name, of in self._judged.items():
            with np.errstate(divide='ignore', invalid='ignore'):  # a class may be absent
                iou[name] = per_class_iou(of.confusion)
        found['iou'] = {name: of.tolist() for name, of in iou.items()}
        found['miou'] = {name: float(np.nanmean(of)) for name, of in iou.items()}
        for key, value in (
            ('reliability', lambda of: of.calibration.result()._asdict()),
            ('by_distance', lambda of: of.by_distance.result()),
            ('by_crowd', lambda of: of.by_crowd.result()),
        ):
            found[key] = {name: value(of) for name, of in self._judged.items()}
        found['rights'] = {other: of.result() for other, of in self._rights.items()}
        found['fidelity'] = {name: of.result() for name, of in self._fidelity.items()}
        found['cka'] = {name: {} for name in self._fidelity}
        for (name, layer), of in self._alike.items():
            found['cka'][name][layer] = of.result()
        return found


def shared_layers(networks: Mapping[str, nn.Module]) -> list[str]:
    """Stages that all networks have under one name, the backbone's end and the logits."""
    paths = [[name for name, _ in net.named_modules()] for net in networks.values()]
    shared = set.intersection(*map(set, paths))
    stages = [name for name in paths[0] if name in shared and _STAGES.fullmatch(name)]
    return [*stages, *(name for name in _ALWAYS if name in shared)]


def compare(
    networks: Mapping[str, nn.Module], batches: Iterable[dict[str, Any]], kind: str
) -> dict[str, Any]:
    """Run all networks on scans; see :meth:`Comparison.result`.

    Args:
        networks: By name, segmentors in eval mode.
        batches: One labeled scan each, raw.
        kind: ``ROOM`` or ``STREET``.

    Raises:
        UsageError: If there is no scan, or one has no labels.
    """
    layers, found = shared_layers(networks), None
    for batch in batches:
        logits, features = {}, {}
        for name, network in networks.items():
            sample, features[name] = look_through(network, batch, layers, name)
            logits[name] = sample.pts_seg_logits.pts_seg_logits.T
        truth = (sample.get('eval_ann_info') or {}).get('pts_semantic_mask')
        if truth is None:
            raise UsageError(f'{sample.get("lidar_path")} must have labels, but has none')
        if found is None:
            found = Comparison(networks, logits[TEACHER].shape[1], kind)
        points = batch['inputs']['points'][0]
        found.add(points, torch.as_tensor(np.asarray(truth)), logits, features)
    if found is None:
        raise UsageError('agreement needs a test scan, but the test set has none')
    return found.result()
