"""Several processes on a machine without CUDA.

Breaks: ``init_dist`` calls ``torch.cuda.set_device`` and asks for nccl, both of which need a GPU;
    the runner's default wrapper passes ``device_ids=[LOCAL_RANK]``, which DDP refuses for CPU
    modules.
Where: mmengine 0.10.7 ``dist/utils.py``: ``_init_dist_pytorch``, ``_init_dist_slurm``,
    ``_init_dist_mpi``; ``runner/runner.py``: ``Runner.wrap_model``.
Delete when: mmengine picks device and backend by what is there.

On when CUDA is missing. gloo takes nccl's place, since nccl then is a default and not a wish.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from unittest.mock import patch

import torch

LAUNCHERS = ('_init_dist_pytorch', '_init_dist_slurm', '_init_dist_mpi')


def _without_cuda(original: Callable) -> Callable:

    @wraps(original)
    def init_dist(backend: str, *args, **kwargs) -> None:
        with patch.object(torch.cuda, 'set_device', lambda device: None):
            original('gloo' if backend == 'nccl' else backend, *args, **kwargs)

    init_dist.original = original
    return init_dist


def _cpu_wrapper(original: Callable) -> Callable:

    @wraps(original)
    def wrap_model(self, model_wrapper_cfg, model):
        if model_wrapper_cfg is None and self.distributed:
            # `find_unused_parameters` is the one key that the default reads from the config
            model_wrapper_cfg = dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            )
        return original(self, model_wrapper_cfg, model)

    wrap_model.original = original
    return wrap_model


def apply() -> bool:
    """Mend the launchers and the default wrapper where CUDA is missing."""
    if find_spec('mmengine') is None or torch.cuda.is_available():
        return False
    from mmengine.dist import utils
    from mmengine.runner import Runner

    for name in LAUNCHERS:
        function = getattr(utils, name)
        if not hasattr(function, 'original'):
            setattr(utils, name, _without_cuda(function))
    if not hasattr(Runner.wrap_model, 'original'):
        Runner.wrap_model = _cpu_wrapper(Runner.wrap_model)
    return True
