from mmengine.config import Config

from projects.SRKD import configs
from projects.SRKD.commands.schedule import stretched


def after(schedule, epochs, tmp_path):
    path = tmp_path / 'alone.py'
    path.write_text(f'_base_ = {[configs(f"_base_/schedules/{schedule}.py")]!r}\n')
    path.write_text(path.read_text() + stretched(Config.fromfile(path), epochs))
    cfg = Config.fromfile(path)
    return cfg, [(part.begin, part.end, part.get('T_max')) for part in cfg.param_scheduler]


def test_a_curve_keeps_its_proportions(tmp_path):
    cfg, parts = after('onecycle-800e', 400, tmp_path)
    assert parts == [(0, 20, None), (20, 400, 380)]
    assert cfg.train_cfg == dict(by_epoch=True, max_epochs=400, val_interval=10)
    kinds = [part.type for part in cfg.param_scheduler]
    assert kinds == ['LinearLR', 'CosineAnnealingLR'] and cfg.param_scheduler[1].eta_min_ratio


def test_a_part_of_no_epoch_is_dropped_and_the_last_epoch_is_scored(tmp_path):
    cfg, parts = after('mini-15e', 1, tmp_path)
    assert parts == [(0, 1, 1)] and cfg.param_scheduler[0].type == 'CosineAnnealingLR'
    assert cfg.train_cfg.val_interval == 1
    assert after('onecycle-50e', 7, tmp_path)[0].train_cfg.val_interval == 7


def test_parts_meet(tmp_path):
    for epochs in range(1, 40):
        _, parts = after('mini-det-20e', epochs, tmp_path)
        assert parts[0][0] == 0 and parts[-1][1] == epochs
        assert all(one[1] == two[0] for one, two in zip(parts, parts[1:]))
