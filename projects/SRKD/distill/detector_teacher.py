"""The teacher of a detector."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from mmdet3d.models.detectors import MVXTwoStageDetector
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .features import Features
from .live_teacher import LiveTeacher

_HEADS = ('pts_bbox_head', 'bbox_head', 'rpn_head')


class DetectorTeacher(LiveTeacher):
    """A frozen detector; see :class:`LiveTeacher`.

    Heads without a tap are not run, unless boxes are asked for; then the network runs as a whole.

    Args:
        config: As for :class:`Teacher`.
        checkpoint: As for :class:`Teacher`.
        taps: As for :class:`Teacher`.
        predicts: Whether it also predicts boxes.

    Attributes:
        boxes: What it predicted on the last batch, if ``predicts``.
    """

    def __init__(
        self,
        config: str | Path | Mapping,
        checkpoint: str | Path | None = None,
        taps: Iterable[str] = (),
        *,
        predicts: bool = False,
    ) -> None:
        super().__init__(config, checkpoint, taps, runs_whole=predicts)
        self._predicts = predicts
        self.boxes: list[InstanceData] = []

    @torch.no_grad()
    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """Run the network and return what its taps saw.

        Args:
            inputs: Preprocessed inputs, the student's or those of :meth:`prepare`.
            data_samples: Likewise.
        """
        return super().__call__(_own_voxels(inputs), data_samples)

    def _run(self, inputs: dict, data_samples: list) -> None:
        samples = [Det3DDataSample(metainfo=sample.metainfo) for sample in data_samples]
        if self._predicts:
            predicted = self.network(inputs, samples, mode='predict')
            self.boxes = [sample.pred_instances_3d for sample in predicted]
            return
        # Not mode='tensor': MVXTwoStageDetector does nothing there.
        if isinstance(self.network, MVXTwoStageDetector):
            feats = self.network.extract_feat(inputs, [sample.metainfo for sample in samples])[1]
        else:
            feats = self.network.extract_feat(inputs)
        for name in _HEADS:
            if any(path == name or path.startswith(f'{name}.') for path in self.paths):
                getattr(self.network, name)(feats)


def _own_voxels(inputs: dict) -> dict:
    """A copy whose voxels may be written to: mmdet3d's PillarFeatureNet moves their points."""
    if not inputs.get('voxels'):
        return inputs
    copies = {
        name: value.clone() if isinstance(value, Tensor) else value
        for name, value in inputs['voxels'].items()
    }
    return inputs | dict(voxels=copies)
