"""Default hooks that can be left out, and errors of hooks that stay what they are.

Breaks: ``default_hooks=dict(reseed=None)``, the usual way to leave a hook out, ends in a bare
    ``AssertionError`` for every hook but mmengine's own six; a ``TypeError`` in a hook loses its
    class and the place where it was raised.
Where: mmengine 0.10.7 ``runner/runner.py``: ``Runner.register_default_hooks``, ``call_hook``.
Delete when: mmengine drops every hook that is None, and no longer catches what hooks raise.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from importlib.util import find_spec

# mmengine drops these itself, from the defaults that it has for them
_OWN = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def _without_none(original: Callable) -> Callable:

    @wraps(original)
    def register_default_hooks(self, hooks: Mapping | None = None) -> None:
        hooks = {
            name: hook for name, hook in (hooks or {}).items() if hook is not None or name in _OWN
        }
        original(self, hooks)

    register_default_hooks.original = original
    return register_default_hooks


def call_hook(self, fn_name: str, **kwargs) -> None:
    """Stands for mmengine's method."""
    for hook in self._hooks:
        if hasattr(hook, fn_name):  # hooks may have methods of their own
            getattr(hook, fn_name)(self, **kwargs)


def apply() -> bool:
    """Mend both methods."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.runner import Runner

    if not hasattr(Runner.register_default_hooks, 'original'):
        Runner.register_default_hooks = _without_none(Runner.register_default_hooks)
    Runner.call_hook = call_hook
    return True
