"""What ``tools/train.py`` and ``tools/test.py`` do with their arguments.

Nothing here knows of distillation: a run is whatever its config says.
"""

import atexit
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..base import NotWritableError, UsageError, check_writable
from ..base.lock import folder_held
from ..base.provenance import commit
from ..preflight import check_loop, check_run
from ..preflight.classes import check_classes_of_checkpoint
from ..visualization.window import check_window
from .config_file import read_config
from .every_weight_hook import EveryWeightHook
from .finite_step.hook import NonFiniteLossError  # noqa: F401 - tools name it
from .format_only import drop_labels
from .loading import check_checkpoint, settle_loading
from .resuming import last_whole, register_resuming
from .stop_hook import Listening, TrainingStopped  # noqa: F401 - tools name it

_GUARD = 'mmdet3d.FiniteStepHook'  # of every training whose config does not say otherwise
_RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')  # what launchers call it
VISUAL_TASKS = ('mono_det', 'multi-view_det', 'lidar_det', 'lidar_seg', 'multi-modality_det')


def build_runner(cfg: Config) -> Runner:
    """Build mmengine's runner, or the one ``runner_type`` names."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def use_amp(cfg: Config) -> None:
    """Turn on mixed precision: float16 with a scaler on a GPU, bfloat16 on CPU.

    Raises:
        UsageError: If the optimizer wrapper is neither ``OptimWrapper`` nor a mixed one.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.setdefault('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'BFloat16OptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise UsageError(
            f'optim_wrapper.type must be OptimWrapper for --amp, but got {kind}: set mixed '
            'precision in the config'
        )
    if torch.cuda.is_available():
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    else:  # mmengine's wrapper refuses CPU
        wrapper.type = 'mmdet3d.BFloat16OptimWrapper'


def train(
    config: str | Path,
    resume: str | None = None,
    partial: bool = False,
    amp: bool = False,
    sync_bn: str = 'none',
    auto_scale_lr: bool = False,
    **reading,
) -> Runner:
    """Train what a config describes.

    Args:
        config: Path of the config file.
        resume: ``auto`` for the latest checkpoint of the work dir, or the path of one.
        partial: Whether ``load_from`` may leave weights as initialized, or hold some that the
            network has not, for another head; the config says the same by
            ``load_from=dict(checkpoint=..., partial=True)``.
        amp: Whether to train in mixed precision.
        sync_bn: ``none``, ``torch`` or ``mmcv``; used in distributed runs only, as in mmengine.
        auto_scale_lr: Whether the learning rate follows the total batch size.
        **reading: See :func:`read_config`.

    Returns:
        The runner, after training.

    Raises:
        UsageError: If ``work_dir`` cannot be written to, another training writes to it or its disk
            is full, the config has no ``auto_scale_lr.base_batch_size`` to scale from, or what is
            to be loaded does not exist or does not fill the network.
        NonFiniteLossError: If a loss, a gradient or a weight is not finite.
        TrainingStopped: If SIGTERM or Ctrl-C has ended it.
    """
    cfg = read_config(config, splits=('train', 'val'), **reading)
    check_writable(cfg.work_dir, 'work_dir')
    if amp:
        use_amp(cfg)
    if sync_bn != 'none':
        cfg.sync_bn = sync_bn
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise UsageError(
                f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in {config}: the '
                'total batch size its learning rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True
    cfg.setdefault('default_hooks', {}).setdefault('finite_step', dict(type=_GUARD))
    with _alone(cfg.work_dir):
        return _train(cfg, *settle_loading(cfg, resume, partial))


def _train(cfg: Config, partial: bool, told: str) -> Runner:
    runner = build_runner(cfg)
    runner.logger.info(f'commit: {commit()}')
    if told:
        runner.logger.warning(told)
    check_loop(runner)
    runner.register_hook(EveryWeightHook(partial))
    runner.register_hook(_Preflight(partial), priority='LOWEST')
    with Listening() as listening:
        register_resuming(runner, listening)
        try:
            runner.train()
        except NotWritableError as error:
            raise UsageError(f'{error}; {last_whole(runner.work_dir)}') from None
    return runner


def _alone(work_dir: str) -> AbstractContextManager:
    """Keep other trainings out; of several processes the first does it, the launcher ends all."""
    first = all(os.environ.get(name, '0') == '0' for name in _RANKS)
    return folder_held(work_dir, 'work_dir') if first else nullcontext()


def test(
    config: str | Path,
    checkpoint: str | Path,
    show: bool = False,
    show_dir: str | None = None,
    task: str | None = None,
    score_thr: float = 0.1,
    wait_time: float = 2.0,
    ceiling: float | None = None,
    tta: bool = False,
    **reading,
) -> dict[str, float]:
    """Evaluate a checkpoint.

    Args:
        config: Path of the config file; for a distilled student its own plain config.
        checkpoint: File of weights. Every weight of the network must be in it; further keys are
            only warned about.
        show: Whether to open a window per sample.
        show_dir: Folder for drawings, below ``work_dir/<time stamp>``. Point clouds are drawn
            from above without a display, unless ``show``.
        task: How to draw, one of ``VISUAL_TASKS``; needed by ``show`` and ``show_dir``.
        score_thr: Least score of a drawn box.
        wait_time: Seconds a window stays.
        ceiling: Meters above a scan's lowest point from where points are left out of a drawing.
        tta: Whether to average over the views of the config's ``tta_pipeline``.
        **reading: See :func:`read_config`.

    Returns:
        The metrics.

    Raises:
        UsageError: If the checkpoint does not exist, drawing or augmentation is asked
            for and the config has none, or the checkpoint lacks weights.
    """
    cfg = read_config(config, splits=('test',), **reading)
    check_writable(cfg.work_dir, 'work_dir')
    check_checkpoint('checkpoint', checkpoint)
    if show or show_dir:
        _draw(cfg, show, show_dir, task, score_thr, wait_time, ceiling)
    if tta:
        for key in ('tta_model', 'tta_pipeline'):
            if key not in cfg:
                raise UsageError(f'--tta needs `{key}` in the config, {config} has none')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    drop_labels(cfg)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg)
    runner.logger.info(f'commit: {commit()}')
    runner.register_hook(EveryWeightHook())
    runner.register_hook(_Preflight(), priority='LOWEST')
    if not is_main_process():  # else all processes write their metrics over each other's
        runner._hooks = [hook for hook in runner.hooks if not isinstance(hook, LoggerHook)]
    return runner.test()


def leave(code: int = 0) -> None:
    """End one of several processes with an exit code; returns if there is but one.

    DDP keeps gloo's threads alive past ``destroy_process_group`` (torch 2.13), and one that still
    drops a tensor while the interpreter ends aborts the process: now and then a finished run
    would count as failed. So what is to happen at exit happens here, and the rest is skipped.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    if not code:  # else others may be in a call that this process will never answer
        torch.distributed.destroy_process_group()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def no_rank_waits() -> Iterator[None]:
    """End one of several processes at once where it fails, with its message.

    An interpreter that ends by an exception waits for DDP's threads, and the other processes for
    it. The launcher ends them when it sees this one gone.
    """
    try:
        yield
    except SystemExit as ended:
        leave(ended.code if isinstance(ended.code, int) else 1)
        raise
    except Exception:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            traceback.print_exc()
            leave(1)
        raise


def _draw(
    cfg: Config,
    show: bool,
    folder: str | None,
    task: str | None,
    score_thr: float,
    wait: float,
    ceiling: float | None = None,
) -> None:
    if task not in VISUAL_TASKS:
        raise UsageError(f'--show and --show-dir need --task, one of {", ".join(VISUAL_TASKS)}')
    if show and task in ('lidar_det', 'lidar_seg'):
        check_window()
    elif task in ('lidar_det', 'lidar_seg'):
        import projects.SRKD.visualization.picture_hook  # noqa: F401 - registers the hook

        hook = dict(type='mmdet3d.PictureHook', task=task, folder=folder)
        hook.update(score_thr=score_thr, ceiling=ceiling)
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
        return
    if not cfg.get('default_hooks', {}).get('visualization'):
        raise UsageError(
            '--show and --show-dir need default_hooks.visualization in the config, usually '
            "dict(type='Det3DVisualizationHook')"
        )
    hook = cfg.default_hooks.visualization
    hook.update(draw=True, vis_task=task, score_thr=score_thr)
    if show:
        hook.update(show=True, wait_time=wait)
    if folder:
        hook.test_out_dir = folder


class _Preflight(Hook):
    """Ask what needs the built run, after every other hook has prepared it."""

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    def before_train(self, runner: Runner) -> None:
        check_run(runner)

    before_test = before_train

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        check_classes_of_checkpoint(
            runner, checkpoint, str(runner._load_from), self.partial and not runner._resume
        )
