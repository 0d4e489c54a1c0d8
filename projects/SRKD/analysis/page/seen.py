"""Scans, and what the networks of a page say about them.

Shape letters: n points of a scan, a points of an affinity map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...base import UsageError
from ...ops import l2_normalize
from ...visualization.detection_picture import Boxes, known_boxes, predicted_boxes
from ..complexity import Complexity, measure
from ..networks import build_network, predict, read_scenes
from ..point_features import point_features
from .networks import Network

AFFINITY_POINTS = 120
TAP = 'backbone'  # where the affinity terms of the presets look


@dataclass(frozen=True)
class Scan:
    """One scan of the test set.

    Attributes:
        name: Of its file.
        points: Coordinates ``(n, 3)``, meters.
        truth: Classes ``(n,)``, or boxes; None: unknown.
        found: By network: classes ``(n,)``, or boxes.
    """

    name: str
    points: np.ndarray
    truth: np.ndarray | Boxes | None
    found: Mapping[str, np.ndarray | Boxes]


@dataclass(frozen=True)
class Affinities:
    """Squared distances of features between points, of several networks on the same points.

    Attributes:
        matrices: By network ``(a, a)``, 0 to 4: features have length one.
        labels: Classes ``(a,)``, ascending.
        tap: Layer that was looked at.
    """

    matrices: Mapping[str, np.ndarray]
    labels: np.ndarray
    tap: str


@dataclass
class Seen:
    """What networks said; ``lacking`` holds, in a sentence, why there is nothing of the kind.

    Attributes:
        classes: Names.
        palette: Colors, 0 to 255; None of detectors.
        scans: Looked at.
        costs: By network.
        affinities: None of detectors.
        reach: Part of the ground that a detector covers: x, y, z from, x, y, z to.
        left_out: Networks whose weights do not fit or are no numbers, each a sentence.
    """

    classes: Sequence[str] = ()
    palette: Sequence[Sequence[int]] | None = None
    scans: list[Scan] = field(default_factory=list)
    costs: dict[str, Complexity] = field(default_factory=dict)
    affinities: Affinities | None = None
    reach: Sequence[float] | None = None
    lacking: str = ''
    left_out: list[str] = field(default_factory=list)


def look(networks: Sequence[Network], count: int, device: str = 'cpu') -> Seen:
    """Run every network that has weights on the first test scans of the first of them.

    Args:
        networks: Of the page.
        count: Scans.
        device: Where they run.
    """
    running = [one for one in networks if one.runs]
    if not running:
        return Seen(lacking='weights: no work dir holds a checkpoint')
    built, left_out = _built(running, device)
    if not built:
        return Seen(lacking=f'networks that can be run: {"; ".join(left_out)}')
    first = next(one.config for one in running if one.name in built)
    try:
        batches = read_scenes(first, 0, count)
    except UsageError as error:
        return Seen(lacking=f'scans that the networks can look at: {error}')
    samples = {name: [predict(net, batch) for batch in batches] for name, net in built.items()}
    costs = {name: measure(net, batches[:1], 1, 3) for name, net in built.items()}
    seen = seen_of(first, batches, samples, costs)
    seen.left_out = left_out
    if seen.palette is not None:
        seen.affinities = affinities(built, batches[0], seen.scans[0].truth)
    return seen


def _built(networks: Sequence[Network], device: str) -> tuple[dict[str, nn.Module], list[str]]:
    """Networks by name, and why some are left out."""
    built, left_out = {}, []
    for one in networks:
        try:
            built[one.name] = build_network(one.config, one.checkpoint, device)
        except (UsageError, RuntimeError) as error:  # the latter: weights of another network
            left_out.append(f'{one.name}: {" ".join(str(error).split())[:300]}')
    return built, left_out


def seen_of(
    config: Any,
    batches: Sequence[dict],
    samples: Mapping[str, Sequence[Any]],
    costs: Mapping[str, Complexity],
) -> Seen:
    """Put together what networks that have run already said.

    Args:
        config: Plain config of one of them; names the classes.
        batches: One scan each, raw.
        samples: By network: the data sample of each scan.
        costs: By network.
    """
    dataset = config.test_dataloader.dataset
    meta = _meta(dataset)
    scans, detects = [], False
    for number, batch in enumerate(batches):
        of = {name: each[number].cpu() for name, each in samples.items()}
        one = next(iter(of.values()))
        detects = 'pred_pts_seg' not in one
        points = batch['inputs']['points'][0][:, :3].cpu().numpy()
        truth = _truth(one, detects)
        found = {name: predicted_boxes(sample) if detects
                 else np.asarray(sample.pred_pts_seg.pts_semantic_mask)
                 for name, sample in of.items()}  # fmt: skip
        path = Path(str(one.get('lidar_path', f'scan {number}')))
        scans.append(Scan(f'{number}: {path.stem}', points, truth, found))
    return Seen(
        classes=meta['classes'],
        palette=None if detects else meta['palette'],
        scans=scans,
        costs=dict(costs),
        reach=config.get('point_cloud_range'),
    )


def affinities(
    networks: Mapping[str, nn.Module], batch: dict, truth: np.ndarray | None, tap: str = TAP
) -> Affinities | None:
    """Affinity matrices of several segmentors over the same points; None where none is labeled.

    The points are drawn evenly from the classes of the scan, always the same ones, and stand in
    the order of their classes: what belongs together is a block on the diagonal.

    Args:
        networks: By name, in eval mode.
        batch: One scan, raw.
        truth: Classes ``(n,)``; outside of the known ones means no label.
        tap: Module path in every network.
    """
    if truth is None:
        return None
    features = {
        name: point_features(net, batch, [tap], name)[tap] for name, net in networks.items()
    }
    there = np.all([of.isfinite().all(1).cpu().numpy() for of in features.values()], axis=0)
    classes = len(next(iter(networks.values())).decode_head.conv_seg.weight)
    chosen = _even_draw(np.where(there & (truth >= 0) & (truth < classes), truth, -1))
    if not len(chosen):
        return None
    matrices = {}
    for name, of in features.items():
        rows = l2_normalize(of[torch.from_numpy(chosen)].double())
        matrices[name] = torch.cdist(rows, rows).square().cpu().numpy()
    return Affinities(matrices, truth[chosen], tap)


def _even_draw(labels: np.ndarray) -> np.ndarray:
    """Row numbers, at most as many of each class; by class."""
    random = np.random.default_rng(0)
    classes = np.unique(labels[labels >= 0])
    share = AFFINITY_POINTS // max(len(classes), 1)
    drawn = []
    for each in classes:
        rows = np.flatnonzero(labels == each)
        drawn.append(np.sort(random.permutation(rows)[:share]))
    return np.concatenate(drawn) if drawn else np.zeros(0, int)


def _truth(sample: Any, detects: bool) -> np.ndarray | Boxes | None:
    known = sample.get('eval_ann_info') or {}
    if detects:
        return known_boxes(sample) if 'gt_bboxes_3d' in known else None
    truth = known.get('pts_semantic_mask')
    return None if truth is None else np.asarray(truth)


def _meta(dataset: Any) -> dict:
    from mmdet3d.registry import DATASETS

    while 'dataset' in dataset:
        dataset = dataset.dataset
    own = getattr(DATASETS.get(dataset.type), 'METAINFO', {})
    return {**own, **(dataset.get('metainfo') or {})}
