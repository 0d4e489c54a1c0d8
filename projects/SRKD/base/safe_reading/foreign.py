"""What stands for an object that is not data."""

from __future__ import annotations

from typing import Any


class Foreign:
    """An object of a class that is no plain data: it can be called, holds nothing and does nothing.

    ``origin`` is the name that it was written under.
    """

    origin = 'unknown'

    @classmethod
    def of(cls, origin: str) -> type[Foreign]:
        """The class that stands for a name.

        Example:
            >>> Foreign.of('os.system')('rm', '-r')
            <foreign object os.system>
        """
        return type('Foreign', (cls,), {'origin': origin})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Foreign:
        """Do nothing."""
        return self

    def __reduce__(self):
        return Foreign, ()

    def __repr__(self) -> str:
        return f'<foreign object {self.origin}>'
