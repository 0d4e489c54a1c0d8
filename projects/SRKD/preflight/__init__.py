"""What is asked before the first step, so that no run ends in a wrong number or another's words.

Two lists, walked in order; a check raises :class:`~projects.SRKD.base.UsageError` in one sentence:

* :data:`CONFIG_CHECKS` see the config when it is read, before anything is built. Each takes the
  config and the splits whose loaders the run will use (``train``, ``val``, ``test``).
* :data:`RUN_CHECKS` see the runner before its first step, with network and loaders built and the
  weights loaded. Each takes the runner.

A check is one function in a module named after what it compares. What a data set, file or network
can judge by itself stands there and not here: these checks compare things that no single part
sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmengine.config import Config
from mmengine.runner import Runner

from ..datasets import check_data_root
from .arguments import check_arguments
from .built import forget_frames
from .checkpoints import tell_single_checkpoint
from .classes import check_classes, check_classes_of_run
from .columns import check_columns
from .evaluators import check_annotation_files, check_nuscenes
from .feature_ranges import tell_feature_ranges
from .files import check_files, check_samples
from .geometry import check_geometry_of_config
from .inputs import check_inputs_of_run
from .labels import check_training_labels
from .loaders import check_epoch_has_steps, check_loaders, check_test_modes
from .numbers import check_numbers
from .object_database import check_database_files, check_ground_planes, check_objects
from .repeated_frames import tell_repeated_frames
from .schedules import tell_cut_schedules
from .scores import check_best_score, check_score_names
from .sections import check_sections
from .single_class import check_more_than_one_class
from .super_voxels import tell_default_cubes
from .truth import check_truth_scores
from .widths import check_widths

CONFIG_CHECKS: tuple[Callable[[Config, Sequence[str]], None], ...] = (
    check_loaders,
    check_sections,
    check_arguments,
    check_numbers,
    check_widths,
    check_columns,
    check_test_modes,
    check_data_root,
    check_database_files,
    check_classes,
    check_more_than_one_class,
    check_geometry_of_config,
    tell_default_cubes,
)
RUN_CHECKS: tuple[Callable[[Runner], None], ...] = (
    tell_feature_ranges,
    check_samples,
    check_classes_of_run,
    check_inputs_of_run,
    check_score_names,
    check_best_score,
    check_annotation_files,
    check_nuscenes,
    check_ground_planes,
    check_objects,
    check_files,
    tell_single_checkpoint,
    tell_cut_schedules,
    tell_repeated_frames,
    check_training_labels,  # reads frames, so it comes when all that it reads is there
    check_truth_scores,
)


def check_config(cfg: Config, splits: Sequence[str] = ('train', 'val', 'test')) -> None:
    """Refuse a config that contradicts itself or its data.

    Raises:
        UsageError: From the first check that fails.
    """
    for check in CONFIG_CHECKS:
        check(cfg, splits)


def check_loop(runner: Runner) -> None:
    """Refuse a training without steps, before schedules are laid over them.

    Raises:
        UsageError: If an epoch has no step.
    """
    check_epoch_has_steps(runner)


def check_run(runner: Runner) -> None:
    """Refuse a runner whose network, data and metrics do not belong together.

    Raises:
        UsageError: From the first check that fails.
    """
    try:
        for check in RUN_CHECKS:
            check(runner)
    finally:
        forget_frames()
