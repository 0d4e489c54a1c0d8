"""Runs that write predictions and score nothing need no labels."""

from collections.abc import Mapping

from mmengine.config import Config

LABEL_STEPS = 'LoadAnnotations3D', 'LoadSegAnnotationsChecked', 'PointSegClassMapping'


def drop_labels(cfg: Config) -> None:
    """Take the labels out of the test data, in place, if every metric has ``format_only=True``.

    So a benchmark's test split is read by the pipeline that scores the validation split. mmdet3d's
    own inference leaves the same steps out.
    """
    metrics = cfg.test_evaluator
    metrics = [metrics] if isinstance(metrics, Mapping) else metrics
    if not metrics or not all(metric.get('format_only') for metric in metrics):
        return
    dataset = cfg.test_dataloader.dataset
    dataset.load_eval_anns = False
    dataset.pipeline = [step for step in dataset.pipeline if step['type'] not in LABEL_STEPS]
