"""Distillation of voxel segmentors."""

from collections.abc import Mapping

from mmdet3d.registry import MODELS

from ..base import UsageError
from ..models import VoxelSegDataPreprocessor
from .cache.cached_teacher import CachedTeacher
from .families import check_segmentor
from .live_teacher import LiveTeacher
from .matching import PointMatcher, VoxelView
from .model import DistillModel
from .teacher import Teacher, check_teacher, teacher_config


@MODELS.register_module()
class DistillSegmentor(DistillModel):
    """A student segmentor taught by a larger one.

    Works for every pair of voxel segmentors (mmdet3d's ``MinkUNet`` segmentor with a MinkUNet or
    PTv3 backbone), with the same voxels or different ones.

    Example config::

        model = dict(
            _delete_=True,
            type='DistillSegmentor',
            student=_base_.model,
            teacher=dict(config='configs/srkd/teacher.py', checkpoint='work_dirs/teacher.pth'),
            terms=_base_.distill.terms)

    With ``cache='DIR'`` beside the teacher's config and checkpoint the teacher is never run: see
    :class:`CachedTeacher`.

    Raises:
        UsageError: If a network is no voxel segmentor, or caps its voxels with mmdet3d's own
            preprocessor, whose maps from points to voxels are wrong then.
    """

    def __init__(
        self,
        student: Mapping,
        teacher: Mapping,
        terms: Mapping[str, Mapping],
        super_voxels: Mapping | None = None,
        init_cfg: dict | None = None,
        balance: str | Mapping | None = None,
    ) -> None:
        check_teacher(teacher)
        # before building: several of these fail there in words of meta tensors or torchsparse
        check_segmentor(teacher_config(student), 'student')
        check_segmentor(teacher_config(teacher['config']), 'teacher')
        super().__init__(student, teacher, terms, super_voxels, init_cfg=init_cfg, balance=balance)
        networks = dict(student=teacher_config(student), teacher=self.teacher.config)
        for role, config in networks.items():
            _check_point_maps(role, config.get('data_preprocessor') or {})

    def build_teacher(self, cache: str | None = None, **teacher) -> Teacher:
        """Return the teacher itself or what ``tools/cache_teacher.py`` has stored of it."""
        return LiveTeacher(**teacher) if cache is None else CachedTeacher(**teacher, cache=cache)

    def matcher(self, student: tuple[dict, list], teacher: tuple[dict, list]) -> PointMatcher:
        """Return a matcher over raw points; see :class:`PointMatcher`."""
        ignore_index = self.student.decode_head.ignore_index
        view = VoxelView(*student, ignore_index=ignore_index)
        return PointMatcher(view, view if teacher is student else VoxelView(*teacher))


def _check_point_maps(role: str, config: Mapping) -> None:
    kind = MODELS.get(config['type']) if isinstance(config.get('type'), str) else config.get('type')
    mapped = kind is not None and issubclass(kind, VoxelSegDataPreprocessor)
    if config.get('max_voxels') is not None and not mapped:
        raise UsageError(
            f'the {role} caps its voxels (max_voxels={config["max_voxels"]}) with '
            f'{config.get("type")}, whose point2voxel_map then points at other voxels: use '
            "type='VoxelSegDataPreprocessor', or max_voxels=None"
        )
