"""Point clouds are drawn from above where mmdet3d's visualizer needs a window.

Breaks: saving a drawing of a point cloud ends in "Please run pip install open3d" (installed, but
    libusb is missing), and with it in "'NoneType' object has no attribute ..." (no window); a run
    of tests and ``browse_dataset --not-show`` are lost; the latter also asks for a name.
Where: mmdet3d 1.4.0 ``visualization/local_visualizer.py``: ``Det3DLocalVisualizer.add_datasample``
    draws by open3d, which opens its window only with ``show`` and ``$DISPLAY``; mmengine's
    ``get_instance`` does not know the default name of ``__init__``.
Delete when: it draws without a window.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

import numpy as np

from ..visualization.window import check_window


def _headless(original: Callable) -> Callable:

    @wraps(original)
    def add_datasample(
        self,
        name: str,
        data_input: dict,
        data_sample=None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        o3d_save_path: str | None = None,
        vis_task: str = 'mono_det',
        pred_score_thr: float = 0.3,
        step: int = 0,
        show_pcd_rgb: bool = False,
    ) -> None:
        from ..visualization.picture import as_image, save
        from ..visualization.top_view import TASKS, top_view

        if show and vis_task in TASKS:
            check_window()
        if show or vis_task not in TASKS or data_sample is None:
            return original(
                self,
                name,
                data_input,
                data_sample,
                draw_gt,
                draw_pred,
                show,
                wait_time,
                out_file,
                o3d_save_path,
                vis_task,
                pred_score_thr,
                step,
                show_pcd_rgb,
            )
        figure = top_view(
            vis_task,
            np.asarray(data_input['points']),
            data_sample,
            self.dataset_meta,
            min_score=pred_score_thr,
            truth=draw_gt,
            prediction=draw_pred,
        )
        path = out_file or o3d_save_path
        if path is not None:
            return save(figure, path)
        return self.add_image(name, as_image(figure), step)

    add_datasample.original = original
    return add_datasample


def _named(cls: type, name: str = 'visualizer', **kwargs):
    """Stands for mmengine's class method of this name."""
    from mmengine.visualization import Visualizer

    return Visualizer.get_instance.__func__(cls, name, **kwargs)


def apply() -> bool:
    """Wrap the method of mmdet3d's visualizer."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.visualization import Det3DLocalVisualizer

    if not hasattr(Det3DLocalVisualizer.add_datasample, 'original'):
        Det3DLocalVisualizer.add_datasample = _headless(Det3DLocalVisualizer.add_datasample)
        Det3DLocalVisualizer.get_instance = classmethod(_named)
    return True
