"""What setup.cfg cannot say: a wheel carries configs and tools, as mmdet3d's does, in ``.mim``.

An editable installation needs no copy: :func:`projects.SRKD.configs` finds those of the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
KINDS = ('.py', '.yml', '.sh')
# They order trainings or set the checkout up, and so cannot work without it.
NEED_THE_CHECKOUT = ('demo.py', 'demo_detection.py', 'setup_env.py', 'preset_gradients.py')


class BuildWithConfigsAndTools(build_py):
    """Copies packages, then the two folders and the index of configs beside them."""

    def run(self) -> None:
        """Build from nothing, so that no file of an older build gets in."""
        built = Path(self.build_lib) / 'projects'
        if self.editable_mode:
            return super().run()
        for package in ('SRKD', 'MiniScenes'):
            shutil.rmtree(built / package, ignore_errors=True)
        super().run()
        target = built / 'SRKD' / '.mim'
        for folder in ('configs', 'tools'):
            for source in sorted((ROOT / folder).rglob('*')):
                if source.suffix in KINDS and source.name not in NEED_THE_CHECKOUT:
                    copy = target / source.relative_to(ROOT)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, copy)
        shutil.copy(ROOT / 'model-index.yml', target)


setup(cmdclass=dict(build_py=BuildWithConfigsAndTools))
