"""mmdet3d's inferencers return every scan once.

Breaks: of three scans an inferencer returns six predictions (1, 1 2, 1 2 3) and draws and writes
    the first one three times; of two scans of one name, ``out_dir`` keeps the second alone.
Where: mmdet3d 1.4.0 ``apis/inferencers/base_3d_inferencer.py``: ``Base3DInferencer.__call__`` adds
    all predictions made so far, batch after batch; ``pred2dict`` names files by the last part of a
    scan's path. Its ``_init_model`` does not read the config out of a checkpoint, as its docstring
    says (weights alone end in "KeyError: 'model'"); that text would be run as code.
Delete when: predictions of several scans are as many as the scans, and none is lost.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.util import find_spec
from typing import Any

from ..base import UsageError
from ..base.progress import progress


def predict(
    self, inputs: Any, batch_size: int = 1, return_datasamples: bool = False, **kwargs
) -> dict[str, list]:
    """Stands for ``Base3DInferencer.__call__``; same arguments and result."""
    preprocess, forward, visualize, postprocess = self._dispatch_kwargs(**kwargs)
    scans = self._inputs_to_list(inputs, cam_type=preprocess.pop('cam_type', 'CAM2'))
    if postprocess.get('pred_out_dir') and not postprocess.get('no_save_pred'):
        _check_names(scans)
    batches = self.preprocess(scans, batch_size=batch_size, **preprocess)
    if self.show_progress:
        batches = progress('Inference', batches, -(-len(scans) // batch_size))
    found = [sample for batch in batches for sample in self.forward(batch, **forward)]
    shown = self.visualize(scans, found, **visualize)
    results = self.postprocess(found, shown, return_datasamples, **postprocess)
    return dict(predictions=results['predictions'], visualization=results['visualization'] or [])


def _check_names(scans: Sequence[dict]) -> None:
    paths = [scan['points'] for scan in scans if isinstance(scan.get('points'), str)]
    name, count = Counter(map(os.path.basename, paths)).most_common(1)[0] if paths else ('', 0)
    if count > 1:
        same = [path for path in paths if os.path.basename(path) == name]
        raise UsageError(
            f'{count} scans are called {name} ({same[0]}, {same[1]}), whose files in '
            'out_dir would overwrite each other: give them in several calls'
        )


def _with_config(original: Callable) -> Callable:

    @wraps(original)
    def init_model(self, cfg: dict, weights: str | None, device: str = 'cpu'):
        if not cfg:
            raise UsageError(
                f"expected model='CONFIG.py' beside weights={weights!r}: the config in a "
                'checkpoint is not run'
            )
        return original(self, cfg, weights, device)

    init_model.original = original
    return init_model


def apply() -> bool:
    """Replace the method."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.apis.inferencers.base_3d_inferencer import Base3DInferencer

    Base3DInferencer.__call__ = predict
    if not hasattr(Base3DInferencer._init_model, 'original'):
        Base3DInferencer._init_model = _with_config(Base3DInferencer._init_model)
    return True
