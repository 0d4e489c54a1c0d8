"""The teacher that runs in every step."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from torch import nn

from ..models.pointcept import load_converted
from ..models.weights import load_strictly
from .features import Features
from .taps import Taps
from .teacher import Teacher, teacher_config


class LiveTeacher(Teacher):
    """A frozen network that sees what the student sees.

    It is built and its checkpoint loaded, strictly, at first use: testing a student never pays for
    it. It is in eval as a whole, needs no gradient, follows the device of its input, computes no
    task loss and runs only as deep as its taps lie. Detectors: :class:`DetectorTeacher`.

    Args:
        config: As for :class:`Teacher`.
        checkpoint: As for :class:`Teacher`.
        taps: As for :class:`Teacher`.
        convert: As for :class:`Teacher`.
        runs_whole: Whether it runs to its end, not only as deep as its taps lie.
    """

    def __init__(
        self,
        config: str | Path | Mapping,
        checkpoint: str | Path | None = None,
        taps: Iterable[str] = (),
        convert: str | Mapping | None = None,
        *,
        runs_whole: bool = False,
    ) -> None:
        super().__init__(config, checkpoint, taps, convert)
        self._runs_whole = runs_whole
        self._network: nn.Module | None = None

    @property
    def built(self) -> bool:
        """Whether the network exists yet."""
        return self._network is not None

    @property
    def network(self) -> nn.Module:
        """The frozen network, built and loaded at first use."""
        if self._network is None:
            network = MODELS.build(teacher_config(self.config))
            if self._convert is None:
                self._meta = load_strictly(network, self.checkpoint) or {}
            else:
                self._meta = load_converted(network, self.checkpoint, self._convert)
            self._network = network.requires_grad_(False).eval()
            self._taps = Taps(network, self.paths, 'teacher', stops=not self._runs_whole)
        return self._network

    def load(self) -> None:
        """Build the network now, so that a bad checkpoint fails early."""
        _ = self.network

    def _stored_meta(self) -> Mapping:
        self.load()
        return self._meta

    def to(self, device: torch.device) -> nn.Module:
        """Move the network to a device, unless it is there; returns it."""
        if next(self.network.parameters()).device != device:
            self.network.to(device)
        return self.network

    @torch.no_grad()
    def prepare(self, inputs: dict, data_samples: list, training: bool) -> tuple[dict, list]:
        """Voxelize the student's points in the teacher's own way; see :meth:`Teacher.prepare`."""
        preprocessor = self.network.data_preprocessor.train(training)
        samples = []
        for sample in data_samples:
            samples.append(Det3DDataSample(metainfo=sample.metainfo, gt_pts_seg=PointData()))
        view = dict(points=inputs['points'])
        if preprocessor.voxel:
            view['voxels'] = preprocessor.voxelize(view['points'], samples)
        return view, samples

    @torch.no_grad()
    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """Run the network and return what its taps saw; see :class:`Teacher`."""
        self.to(inputs['points'][0].device)
        with self._taps as taught:
            self._run(inputs, data_samples)
        return taught

    def _run(self, inputs: dict, data_samples: list) -> None:
        self.network(inputs, data_samples, mode='tensor')
