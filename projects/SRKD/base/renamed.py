"""Names of an earlier version: they work on, and say what they are called now."""

import warnings
from collections.abc import Callable
from functools import wraps


def renamed(old: str, new: Callable) -> Callable:
    """A class or function under its old name, with a warning when it is used; goes with 0.3.

    Args:
        old: Name that it had.
        new: What it is today.

    Returns:
        A subclass of a class, a wrapper of a function.

    Example:
        >>> def half(x): return x / 2
        >>> halve = renamed('halve', half)
        >>> with warnings.catch_warnings(record=True) as said:
        ...     warnings.simplefilter('always')
        ...     halve(4), str(said[0].message)
        (2.0, 'halve is called half now; the old name goes with 0.3')
    """

    def tell() -> None:
        warnings.warn(
            f'{old} is called {new.__name__} now; the old name goes with 0.3',
            FutureWarning,
            stacklevel=3,
        )

    if not isinstance(new, type):

        @wraps(new)
        def called(*args, **kwargs):
            tell()
            return new(*args, **kwargs)

        return called

    @wraps(new.__init__)
    def init(self, *args, **kwargs) -> None:
        tell()
        new.__init__(self, *args, **kwargs)

    doc = f'Name of :class:`{new.__name__}` before 0.2; goes with 0.3.'
    return type(old, (new,), dict(__init__=init, __doc__=doc, __module__=new.__module__))
