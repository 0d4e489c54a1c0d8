"""Distillation of voxel segmentors."""

from mmdet3d.registry import MODELS

from .matching import PointMatcher, VoxelView
from .model import DistillModel


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
    """

    def matcher(self, student: tuple[dict, list], teacher: tuple[dict, list]) -> PointMatcher:
        """Return a matcher over raw points; see :class:`PointMatcher`."""
        ignore_index = self.student.decode_head.ignore_index
        view = VoxelView(*student, ignore_index=ignore_index)
        return PointMatcher(view, view if teacher is student else VoxelView(*teacher))
