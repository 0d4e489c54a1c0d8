"""One line about ``pkg_resources`` per process instead of one per config file.

Breaks: reading a config prints "pkg_resources is deprecated as an API" at every inherited file,
    because the module is loaded anew each time; progress lines drown in it.
Where: mmengine 0.10.7 ``utils/package_utils.py``: ``is_installed``, ``get_installed_path``.
Delete when: mmengine asks ``importlib.metadata`` instead.
"""
import warnings

MESSAGE = 'pkg_resources is deprecated as an API'


def apply() -> bool:
    """Filter that warning, and no other, from now on."""
    warnings.filterwarnings('ignore', message=MESSAGE, category=UserWarning)
    return True
