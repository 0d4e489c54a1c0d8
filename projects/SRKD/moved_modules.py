"""Module paths of 0.1 that still import, with a warning; goes with 0.3.

What is imported by its public name (``projects.SRKD.losses.affinity_mse``) never needed its path.
Not here: what is now outside of the package (``studies``), and paths that are a function's name as
well (``losses.cross_sample_kl``, ``datasets.scene_statistics``): importing the module would put it
in the function's place.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Folder of 0.1 and that of today -> modules that moved.
_MOVES = {
    ('analysis', 'visualization'): 'detection_picture picture picture_hook top_view',
    ('analysis', 'base'): 'provenance',
    ('datasets', 'base'): 'data_folder',
    ('datasets', 'datasets.batches'):
        'batch_composition class_histogram cross_sample_batch_sampler scene_rule',
    ('datasets', 'datasets.infos'):
        'gt_database kitti kitti_clouds kitti_files kitti_images kitti_planes kitti_splits '
        'kitti_values nuscenes_detection nuscenes_schema pandaset points_in_boxes poses scannet200 '
        'semantickitti sequence_scans',
    ('distill', 'models'): 'weights',
    ('evaluation', 'ops'): 'rotated_iou',
    ('losses', 'losses.srkd'):
        'affinity ambra cross_sample_affinity cross_sample_triton partitions super_voxels',
    ('losses', 'losses.pointdistiller'):
        'edge_graph importance local_graph local_graph_loss streamed_edges',
    ('losses', 'losses.sparsekd'): 'anchor_boxes anchor_logits pivotal_logits',
}  # fmt: skip
_RENAMED = {
    'datasets.mini': 'projects.MiniScenes.rooms',
    'datasets.mini_streets': 'projects.MiniScenes.streets',
    'losses.centre_regression': 'losses.sparsekd.center_regression',
    'models.row_norm': 'models.pillar_norm',
    'distill.teacher_cache': 'distill.cache.cached_teacher',
    'distill.teacher_cache_file': 'distill.cache.file',
    'distill.teacher_cache_folder': 'distill.cache.folder',
    'distill.teacher_cache_scans': 'distill.cache_writing.scans',
    'distill.teacher_cache_writer': 'distill.cache_writing.writer',
}
MOVED: dict[str, str] = {
    f'{__package__}.{old}.{name}': f'{__package__}.{new}.{name}'
    for (old, new), names in _MOVES.items()
    for name in names.split()
} | {
    f'{__package__}.{old}': new if new.startswith('projects.') else f'{__package__}.{new}'
    for old, new in _RENAMED.items()
}


class _MovedModules(MetaPathFinder, Loader):
    """Finds modules by the path they had, and gives the very module of today."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, child = name.rpartition('.')
        new = MOVED.get(name) or (f'{MOVED[parent]}.{child}' if parent in MOVED else None)
        return new and ModuleSpec(name, self, origin=new)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(
            f'{spec.name} is {spec.origin} now; the old path goes with 0.3',
            FutureWarning,
            stacklevel=2,
        )
        module = import_module(spec.origin)
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own  # importlib has put the old path's in its place


def install() -> None:
    """Let old paths be found; a second call changes nothing."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MovedModules())
