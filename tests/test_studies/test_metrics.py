import numpy as np
import pytest

from studies.metrics import KITTI, MIOU, kitti_ap


def test_value_is_as_logged_and_percent_scaled():
    assert MIOU.value({'miou': 0.25}) == 0.25 and MIOU.percent({'miou': 0.25}) == 25.0
    car = kitti_ap('Car', 'BEV')
    assert car.percent({car.key: 61.5}) == 61.5


def test_keys_are_those_of_mmdet3ds_metric(monkeypatch):
    """The names that ``kitti_eval`` gives, behind the prefixes of ``KittiMetric``."""
    from mmdet3d.evaluation import KittiMetric
    from mmdet3d.evaluation.functional.kitti_utils import eval as kitti

    # classes x difficulties x IoUs of four kinds, AP11 and AP40; the real ones take half a minute
    monkeypatch.setattr(kitti, 'do_eval', lambda *args: [np.ones((2, 3, 2))] * 8)
    nothing = [dict(alpha=np.full(1, -10))]
    _, found = kitti.kitti_eval(nothing, nothing, ['Car', 'Pedestrian'])
    prefix = KittiMetric('no.pkl').prefix + '/pred_instances_3d/KITTI/'
    assert prefix == KITTI
    logged = {prefix + key.removeprefix('KITTI/'): value for key, value in found.items()}
    for name in ('Car', 'Pedestrian', 'Overall'):
        for view in ('BEV', '3D'):
            assert kitti_ap(name, view).value(logged) == 1


def test_metric_that_was_not_logged_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"no 'miou' \(mIoU\), the nearest is mIou: see"):
        MIOU.value({'mIou': 1.0})
    with pytest.raises(ValueError, match='the nearest is nothing'):
        MIOU.value({})
