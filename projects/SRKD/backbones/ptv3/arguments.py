"""What PTv3's constructor refuses, in one sentence each."""

import inspect
from collections.abc import Sequence

from ...base import UsageError, UsageTypeError, nearest_name
from .serialization import CURVES

# Arguments of the original that configs carry, and the one value under which they change nothing
# here; None: any value (flash attention is a way to compute, not what is computed).
NEUTRAL = {
    'enable_flash': None,
    'pre_norm': (True,),
    'enable_rpe': (False,),
    'upcast_attention': None,
    'upcast_softmax': None,
    'cls_mode': (False,),
    'enc_mode': (False,),
    'pdnorm_bn': (False,),
    'pdnorm_ln': (False,),
    'pdnorm_decouple': None,
    'pdnorm_adaptive': None,
    'pdnorm_affine': None,
    'pdnorm_conditions': None,
}


def check_upstream(arguments: dict, network: type) -> None:
    """Accept arguments of the original that change nothing here.

    Args:
        arguments: Those that ``network`` has not, by name.
        network: The class they were given to.

    Raises:
        UsageTypeError: For a name nobody knows; names the nearest.
        UsageError: For a value that asks for what is not supported.
    """
    own = _arguments(network)
    for name, value in arguments.items():
        if name not in NEUTRAL:
            nearest = nearest_name(name, [*NEUTRAL, *own])
            raise UsageTypeError(f'{network.__name__} has no argument {name!r}, nearest: {nearest}')
        if NEUTRAL[name] is not None and value not in NEUTRAL[name]:
            raise UsageError(
                f'{name} of {network.__name__} must be {NEUTRAL[name][0]}, but got {value!r}'
            )


def _arguments(network: type) -> list[str]:
    """Names a constructor takes, with those it hands on to the class it extends."""
    names = []
    for kind in network.__mro__:
        parameters = inspect.signature(kind).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
        names += [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    return names


def check_stages(steps: int, enc: tuple[Sequence, ...], dec: tuple[Sequence, ...]) -> None:
    """Refuse lists that do not have one value per encoder or decoder stage.

    Raises:
        UsageError: Naming the lengths expected and the list.
    """
    for part, expected in ((enc, steps + 1), (dec, steps)):
        for values in part:
            if len(values) != expected:
                raise UsageError(
                    f'enc_* arguments of {steps + 1} encoder stages must hold {steps + 1} values, '
                    f'dec_* arguments and stride {steps}, but got {tuple(values)}'
                )


def check_order(order: Sequence[str]) -> None:
    """Refuse unknown curves.

    Raises:
        UsageError: Naming the nearest curve.
    """
    if not order:
        raise UsageError(f'order must name at least one of {", ".join(CURVES)}, but got none')
    for name in order:
        if name not in CURVES:
            raise UsageError(
                f'order must hold some of {", ".join(CURVES)}, but got {name!r}, nearest: '
                + nearest_name(name, CURVES)
            )


def check_stride(stride: Sequence[int]) -> None:
    """Refuse strides that are no powers of two.

    Raises:
        UsageError: Naming the strides.
    """
    if any(step < 2 or step & (step - 1) for step in stride):
        raise UsageError(f'stride must hold powers of two from 2 up, but got {tuple(stride)}')
