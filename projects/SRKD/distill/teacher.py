"""The teacher: a frozen network that nothing but distillation may see."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config, ConfigDict
from torch import nn

from ..base import FileMissingError, UsageError, nearest_path
from ..datasets.class_names import stored_classes, training_classes
from ..models.compression import compressed
from ..models.head_classes import task_names
from .features import Features
from .taps import Taps
from .weights import load_strictly


def teacher_config(config: str | Path | Mapping) -> ConfigDict:
    """Model config of a teacher.

    Args:
        config: Path of a config file, a whole config, or the model's own dict. Of a distillation
            config the student is taken: it is what the checkpoint holds. A ``CompressedDetector``
            is spelled out.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it defines no model.
    """
    config = _read(config)
    model = config if 'type' in config else config.get('model')
    if model is None:
        raise UsageError(
            'teacher config defines neither `model` nor `type`, expected a config file of a '
            f'network or its model dict, got keys {sorted(config)[:6]}'
        )
    model = model.get('student', model)
    if model['type'] == 'CompressedDetector':
        model = compressed(**{key: value for key, value in model.items() if key != 'type'})
    # A copy: some constructors of mmdet3d (MinkUNetBackbone) edit the lists of their config.
    return ConfigDict(Config(dict(model=dict(model)))._cfg_dict.to_dict()['model'])


def _read(config: str | Path | Mapping) -> Mapping:
    if not isinstance(config, (str, Path)):
        return config
    if not Path(config).is_file():
        raise FileMissingError(f'teacher config {config} does not exist; {nearest_path(config)}')
    return Config.fromfile(config)


class Teacher:
    """A frozen network behind a plain object.

    Not an ``nn.Module`` and so in no state_dict, optimizer, DDP bucket or EMA copy (a deep copy is
    the object itself). The network is built and its checkpoint loaded, strictly, at first use:
    testing a student never pays for it. It is in eval as a whole, needs no gradient, follows the
    device of its input, computes no task loss and runs only as deep as its taps lie. Detectors:
    :class:`DetectorTeacher`.

    Args:
        config: See :func:`teacher_config`.
        checkpoint: File with its weights; ``state_dict`` inside or the plain dict.
        taps: Module paths to watch.

    Raises:
        UsageError: If no checkpoint is named, or a tap does not exist.
    """

    has_own_rows = False  # whether its rows are never the student's voxels
    predicts = False  # set by a student that learns from more than taps: it then runs as a whole

    def __init__(
        self, config: str | Path | Mapping, checkpoint: str | Path, taps: Iterable[str] = ()
    ) -> None:
        if not checkpoint:
            raise UsageError(
                'teacher has no checkpoint, expected the path of its trained weights: a teacher '
                'with random weights distils noise'
            )
        config = _read(config)
        self.config = teacher_config(config)
        self._trained_on = training_classes(config)
        self.checkpoint = str(checkpoint)
        self.paths = tuple(taps)
        self._network: nn.Module | None = None
        self.widths = self._tap_widths()

    def _tap_widths(self) -> dict[str, int | None]:
        skeleton = teacher_config(self.config)
        skeleton.pop('data_preprocessor', None)  # mmdet3d's voxel layers read tensors' values
        with torch.device('meta'):  # no memory, no checkpoint: only to look at the modules
            skeleton = Taps(MODELS.build(skeleton), self.paths, 'teacher')
        return {path: skeleton.width(path) for path in self.paths}

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @property
    def built(self) -> bool:
        """Whether the network exists yet."""
        return self._network is not None

    @property
    def network(self) -> nn.Module:
        """The frozen network, built and loaded at first use."""
        if self._network is None:
            network = MODELS.build(teacher_config(self.config))
            self._meta = load_strictly(network, self.checkpoint) or {}
            self._network = network.requires_grad_(False).eval()
            self._taps = Taps(network, self.paths, 'teacher')
        return self._network

    def load(self) -> None:
        """Build the network now, so that a bad checkpoint fails early."""
        _ = self.network

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Its classes in order: as the checkpoint names them, else its config, else None."""
        return stored_classes(self._stored_meta()) or self._trained_on or task_names(self.config)

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
        """Voxelise the student's points in the teacher's own way.

        Args:
            inputs: The student's; only ``points`` is read.
            data_samples: The student's; the teacher writes its maps on bare copies.
            training: Whether the caps that hold in training apply (the network stays in eval).
        """
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
        """Run the network and return what its taps saw.

        Args:
            inputs: Preprocessed inputs, the student's or those of :meth:`prepare`.
            data_samples: Likewise.
        """
        self.to(inputs['points'][0].device)
        self._taps.stops = not self.predicts
        with self._taps as taught:
            self._run(inputs, data_samples)
        return taught

    def _run(self, inputs: dict, data_samples: list) -> None:
        self.network(inputs, data_samples, mode='tensor')
