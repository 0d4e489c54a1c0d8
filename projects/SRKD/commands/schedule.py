"""A schedule stretched to another number of epochs."""

from __future__ import annotations

from mmengine.config import Config


def stretched(cfg: Config, epochs: int) -> str:
    """Lines that make a config's training last ``epochs``, its curve in proportion.

    Where one part of the curve ends and the next begins is rounded to whole epochs; a part of
    which nothing is left is dropped.

    Args:
        cfg: The config that the lines follow.
        epochs: At least 1.
    """
    before = cfg.train_cfg.max_epochs
    parts = []
    for number, part in enumerate(cfg.get('param_scheduler') or ()):
        begin, end = (
            round(part.get(key, default) * epochs / before)
            for key, default in (('begin', 0), ('end', before))
        )
        if begin < end:
            period = f', T_max={end - begin}' if 'T_max' in part else ''
            parts.append(
                f'    dict(_base_.param_scheduler[{number}], begin={begin}, end={end}{period}),\n'
            )
    interval = cfg.train_cfg.get('val_interval', 1)
    if epochs % interval:
        interval = epochs  # else the last epoch is not scored
    return (
        f'param_scheduler = [\n{"".join(parts)}]\n'
        f'train_cfg = dict(max_epochs={epochs}, val_interval={interval})\n'
    )
