"""What a distiller asks of a teacher, whether it runs or has been stored."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config, ConfigDict

from ..base import FileMissingError, UsageError, UsageTypeError, nearest_name, nearest_path
from ..compat.hub_files import PREFIX, hub_file
from ..datasets.class_names import stored_classes, training_classes
from ..models.compression import compressed
from ..models.head_classes import task_names
from .features import Features
from .newest_checkpoint import newest_checkpoint
from .taps import Taps

_ENTRIES = ('config', 'checkpoint', 'cache', 'convert')


def check_teacher(teacher: Mapping) -> None:
    """Refuse what does not describe a teacher.

    Raises:
        UsageTypeError: If it is no dict.
        UsageError: If it has no config, or an entry that nobody reads.
    """
    if not isinstance(teacher, Mapping):
        raise UsageTypeError(
            f'model.teacher must be dict(config=..., checkpoint=...), but got {teacher!r}'
        )
    if teacher.get('config') is None:
        raise UsageError(
            'model.teacher must have a config, the path of the config file that it was trained '
            f'with, but got {", ".join(map(str, teacher)) or "nothing"}'
        )
    for key in teacher:
        if key not in _ENTRIES:
            raise UsageError(
                f'model.teacher must have entries of {", ".join(_ENTRIES)}, but got {key!r}, '
                f'nearest: {nearest_name(key, _ENTRIES)}'
            )


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
            f'network or its model dict, but got keys {sorted(config)[:6]}'
        )
    model = model.get('student', model)
    if model['type'] == 'CompressedDetector':
        model = compressed(**{key: value for key, value in model.items() if key != 'type'})
    # A copy: some constructors of mmdet3d (MinkUNetBackbone) edit the lists of their config.
    return ConfigDict(Config(dict(model=dict(model)))._cfg_dict.to_dict()['model'])


def _read(config: str | Path | Mapping) -> Mapping:
    if isinstance(config, (Mapping, Config)):
        return config
    if not isinstance(config, (str, Path)):
        raise UsageTypeError(
            f'a config must be the path of a file or a dict, but got {config!r} '
            f'({type(config).__name__})'
        )
    if not Path(config).is_file():
        raise FileMissingError(f'teacher config {config} does not exist; {nearest_path(config)}')
    return Config.fromfile(config)


class Teacher(ABC):
    """A frozen network as a plain object: it has no part in what is trained.

    Not an ``nn.Module`` and so in no state_dict, optimizer, DDP bucket or EMA copy (a deep copy is
    the object itself). Two kinds: :class:`LiveTeacher` runs it, :class:`CachedTeacher` reads what
    it said.

    Args:
        config: See :func:`teacher_config`.
        checkpoint: File with its weights; ``state_dict`` inside or the plain dict. None: the newest
            of the config file's work dir, looked up at first use, see :func:`newest_checkpoint`.
            ``hub:ORGANIZATION/NAME/FILE`` is a file of the Hugging Face hub.
        taps: Module paths to watch.
        convert: ``'pointcept'`` where the checkpoint has the names of that project, see
            :func:`~projects.SRKD.models.pointcept.load_converted`.

    Attributes:
        widths: Channels at each tap, None where the module does not tell.
        has_own_rows: Whether its rows are never the student's voxels.

    Raises:
        UsageError: If no checkpoint is named for a config that is no file, or a tap does not exist.
    """

    has_own_rows = False

    def __init__(
        self,
        config: str | Path | Mapping,
        checkpoint: str | Path | None = None,
        taps: Iterable[str] = (),
        convert: str | Mapping | None = None,
    ) -> None:
        self._convert = convert
        self._file = config if isinstance(config, (str, Path)) else None
        self._checkpoint = checkpoint
        if not checkpoint and self._file is None:
            raise UsageError(
                'teacher has no checkpoint, expected the path of its trained weights: a teacher '
                'with random weights distills noise'
            )
        config = _read(config)
        self.config = teacher_config(config)
        self._trained_on = training_classes(config)
        self.paths = tuple(taps)
        self.widths = self._tap_widths()

    @property
    def checkpoint(self) -> str:
        """File with its weights."""
        if not self._checkpoint:
            self._checkpoint = newest_checkpoint(self._file)
        if str(self._checkpoint).startswith(PREFIX):
            self._checkpoint = hub_file(str(self._checkpoint))
        return str(self._checkpoint)

    @abstractmethod
    def load(self) -> None:
        """Get ready now, so that a bad checkpoint or cache fails early."""

    @abstractmethod
    def prepare(self, inputs: dict, data_samples: list, training: bool) -> tuple[dict, list]:
        """Give the student's points rows of the teacher's own.

        Args:
            inputs: The student's; only ``points`` is read.
            data_samples: The student's; the teacher writes its maps on bare copies.
            training: Whether the caps that hold in training apply (the network stays in eval).
        """

    @abstractmethod
    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """Return what its taps see.

        Args:
            inputs: Preprocessed inputs, the student's or those of :meth:`prepare`.
            data_samples: Likewise.
        """

    @abstractmethod
    def _stored_meta(self) -> Mapping:
        """``meta`` of the checkpoint."""

    @property
    def meta(self) -> Mapping:
        """What its checkpoint says beside the weights."""
        return self._stored_meta()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Its classes in order: as the checkpoint names them, else its config, else None."""
        return stored_classes(self._stored_meta()) or self._trained_on or task_names(self.config)

    def _tap_widths(self) -> dict[str, int | None]:
        skeleton = teacher_config(self.config)
        skeleton.pop('data_preprocessor', None)  # mmdet3d's voxel layers read tensors' values
        with torch.device('meta'):  # no memory, no checkpoint: only to look at the modules
            skeleton = Taps(MODELS.build(skeleton), self.paths, 'teacher')
        return {path: skeleton.width(path) for path in self.paths}

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self
