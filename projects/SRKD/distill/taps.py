"""Taps: named snapshots of what modules put out during one forward."""

from collections.abc import Iterable
from difflib import get_close_matches

from torch import nn

from ..base import UsageError, UsageTypeError
from .features import Features, output_width, read_features


def find_module(network: nn.Module, path: str, role: str) -> nn.Module:
    """Look a module up by its dotted path.

    Args:
        network: Where to look.
        path: Such as ``backbone.dec.dec0``.
        role: ``student`` or ``teacher``, for the message.

    Raises:
        UsageError: If there is no such module; names the nearest paths.
    """
    modules = dict(network.named_modules())
    if path in modules:
        return modules[path]
    nearest = get_close_matches(path, modules, n=3, cutoff=0.4) or sorted(modules)[1:4]
    raise UsageError(
        f'the {role} ({type(network).__name__}) has no module {path!r} to tap; nearest paths: '
        f'{", ".join(nearest)}'
    )


class _AllSeen(Exception):
    """Leaves a forward that has nothing more to show."""


class TapError(UsageError, RuntimeError):
    """A tap on a module that a forward passes never, or twice."""


class Taps:
    """A context in which the outputs of named modules are kept.

    Hooks live only inside the context, so a recomputation by (non-reentrant) gradient
    checkpointing, which happens in backward, is not seen and the network is left as it was.

    Args:
        network: The network to tap.
        paths: Module paths; each must exist and fire exactly once per forward.
        role: ``student`` or ``teacher``, for messages.
        stops: Whether to leave the context, without an error, as soon as all taps have fired. The
            first forward runs to its end all the same, since a later firing shows only there.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
        >>> with Taps(net, ['0'], 'student') as seen:
        ...     out = net(torch.ones(4, 2))
        >>> tuple(seen['0'].feat.shape)
        (4, 3)
    """

    def __init__(
        self, network: nn.Module, paths: Iterable[str], role: str, stops: bool = False
    ) -> None:
        self.role = role
        self.network = network
        self.paths = tuple(dict.fromkeys(paths))
        for path in self.paths:
            find_module(network, path, role)
        self._stops = stops
        self._ran_whole = False
        self._handles: list = []
        self._seen: dict[str, Features] = {}

    def width(self, path: str) -> int | None:
        """Channels at a tap as far as the module tells, else None."""
        return output_width(self.network.get_submodule(path))

    def __enter__(self) -> dict[str, Features]:
        self._seen = {}
        for path in self.paths:  # looked up anew: --sync_bn replaces modules after building
            module = self.network.get_submodule(path)
            self._handles.append(module.register_forward_hook(self._recorder(path)))
        return self._seen

    def __exit__(self, error_type, error, traceback) -> bool:
        while self._handles:
            self._handles.pop().remove()
        # Nothing of the graph stays behind: a model that holds it cannot be copied.
        seen, self._seen = self._seen, {}
        silent = [path for path in self.paths if path not in seen]
        if error_type is None and silent:
            raise TapError(
                f'tap {silent[0]!r} of the {self.role} never fired in this forward: mmdet3d calls '
                'heads through .forward(), which skips hooks, so tap a module inside the head '
                '(decode_head.conv_seg, not decode_head)'
            )
        self._ran_whole = self._ran_whole or error_type is None
        return error_type is _AllSeen

    def _recorder(self, path: str):
        def record(module: nn.Module, args: tuple, output: object) -> None:
            if path in self._seen:
                raise TapError(
                    f'tap {path!r} of the {self.role} fired twice in one forward, expected once: '
                    'the module is shared; tap one of its callers instead'
                )
            try:
                self._seen[path] = read_features(output)
            except TypeError as error:
                raise UsageTypeError(f'tap {path!r} of the {self.role}: {error}') from None
            if self._stops and self._ran_whole and len(self._seen) == len(self.paths):
                raise _AllSeen

        return record
