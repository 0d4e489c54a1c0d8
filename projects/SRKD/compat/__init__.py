"""Cures for foreign packages: the only place of this project that changes somebody else's code.

Each module mends one thing and opens with three lines: *Breaks* (what goes wrong), *Where* (in
which function of which release) and *Delete when*. :func:`apply` runs every cure; calling it again
changes nothing, and a cure whose fault is absent (a GPU is there, a release mended it) stays off.

Modules are imported inside :func:`apply`, so ``projects.SRKD.losses`` needs torch alone.
"""

from importlib import import_module

CURES = (
    'numpy_names',
    'mmdet3d_optional_packages',
    'spconv_cpu',
    'spconv_loading',
    'mmengine_warnings',
    'mmengine_loading',
    'mmengine_data_files',
    'mmengine_info_files',
    'mmengine_dist',
    'mmengine_amp',
    'mmengine_hooks',
    'mmengine_mid_epoch',
    'mmengine_checkpoints',
    'mmengine_logs',
    'mmengine_save_best',
    'mmengine_pretrained',
    'mmengine_progress',
    'mmdet3d_rotate_iou',
    'mmdet3d_box_overlaps',
    'mmdet3d_rotated_nms',
    'mmdet3d_kitti_empty_frames',
    'mmdet3d_kitti_frames',
    'mmdet3d_seg_submission',
    'mmdet3d_nuscenes_cuda',
    'mmdet3d_nuscenes_frames',
    'mmdet3d_loading_steps',
    'mmdet3d_voxelize',
    'mmdet3d_minkunet',
    'mmdet3d_scan_names',
    'mmdet3d_scene_idxs',
    'mmdet3d_visualizer',
    'mmdet3d_inferencers',
    'mmdet3d_object_sample',
    'mmdet3d_seg_classes',
    'mmdet3d_class_names',
    'mmdet3d_cbgs_classes',
)


def apply() -> dict[str, bool]:
    """Run every cure.

    Returns:
        Name of each cure -> whether it is on in this process.
    """
    return {name: import_module(f'{__name__}.{name}').apply() for name in CURES}
