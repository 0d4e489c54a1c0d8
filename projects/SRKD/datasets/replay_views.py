"""A few augmented views of every scan that can be shown again, draw for draw."""

import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from mmcv.transforms import Compose
from mmdet3d.registry import TRANSFORMS

from ..base import UsageError, seeded
from ..base.provenance import digest
from .point_steps import AddPointIdentity
from .steps import mixes, steps_of

VIEWS = 4  # of a scan, where a config does not say


@TRANSFORMS.register_module()
class ReplayViews(Compose):
    """Show one of a few views of a scan; what a view draws follows from scan, view and seed alone.

    Source: Shen and Xing 2022 (FKD, "A Fast Knowledge Distillation Framework for Visual
    Recognition"). A teacher that has seen these views once (``tools/cache_teacher.py``) need not
    see them again: a training draws one of them at random each time it meets the scan, and student
    and teacher see the same cloud.

    It is the last step of a training pipeline and wraps all that draws, up to the packing; only
    loading stays in front of it. Which view is shown is drawn as any augmentation is; the wrapped
    transforms draw from generators of ``random``, numpy and torch (on the CPU) seeded for the view,
    whose states are put back behind them. Scans are told apart by the name of their file, so the
    data may move; scans of one name in two folders share their draws. Mixed scans are replayed,
    too: the partner is drawn in the view, so it is the same as long as the data set lists the same
    scans.

    Args:
        transforms: The rest of the pipeline, packing included.
        views: Number of views of each scan.
        seed: Of all views.

    Required Keys:

    - lidar_points (dict): ``lidar_path`` of the scan
    - sample_idx (int)

    Modified Keys:

    - data_samples: gets the metainfo ``replay``: :attr:`facts`, ``scan`` (``sample_idx``) and
      ``view``; where scans are mixed, ``partners``: from how many the second one is drawn

    Attributes:
        facts: ``views``, ``seed`` and a digest of the ``augmentation``: what the views follow from.

    Raises:
        UsageError: If ``views`` or ``seed`` is no count, or ``transforms`` number the points.
    """

    def __init__(self, transforms: Sequence[dict], views: int = VIEWS, seed: int = 0) -> None:
        for name, value, least in (('views', views, 1), ('seed', seed, 0)):
            if type(value) is not int or value < least:
                raise UsageError(
                    f'{name} of {type(self).__name__} must be an integer of at least {least}, '
                    f'but got {value!r}'
                )
        self.facts = dict(views=views, seed=seed, augmentation=digest(transforms))
        super().__init__(transforms)
        if any(isinstance(step, AddPointIdentity) for step in steps_of(self.transforms)):
            raise UsageError(
                'AddPointIdentity is among the transforms of ReplayViews, whose points are known '
                'by their place in the view: leave it out'
            )
        self.mixes = mixes(self.transforms)

    def transform(self, results: dict) -> dict | None:
        """Show a view drawn at random."""
        return self.replay(results, np.random.randint(self.facts['views']))

    def replay(self, results: dict, view: int) -> dict | None:
        """Show one view.

        Args:
            results: A loaded scan.
            view: Number of the view.

        Raises:
            UsageError: If the transforms do not pack what they give.
        """
        scan = int(results['sample_idx'])
        name = PurePosixPath(str(results['lidar_points']['lidar_path']).replace('\\', '/')).name
        count = dict(partners=len(results.get('dataset', ()))) if self.mixes else {}
        with seeded(self.facts['seed'], zlib.crc32(name.encode()), self.number(results, view)):
            results = super().transform(results)
        if results is None:  # as of any transform: the data set tries another scan
            return None
        if 'data_samples' not in results:
            raise UsageError(
                'the transforms of ReplayViews end without packing, expected all of the pipeline '
                f'behind loading, Pack3DDetInputs included, but got keys {sorted(results)[:6]}'
            )
        replay = dict(self.facts, scan=scan, view=view, **count)
        results['data_samples'].set_metainfo(dict(replay=replay))
        return results

    def number(self, results: dict, view: int) -> int:
        """What stands for a view of a loaded scan among the numbers that its draws follow from."""
        return view

    def __repr__(self) -> str:
        views, seed = self.facts['views'], self.facts['seed']
        return super().__repr__().replace('(', f'(views={views}, seed={seed},', 1)
