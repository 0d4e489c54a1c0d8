import os
import pickle

import pytest
import torch

from projects.SRKD import compat

pytest.importorskip('mmdet3d')
import toy_run  # noqa: E402  (needs mmdet3d)
from mmengine.config import Config  # noqa: E402
from mmengine.logging import HistoryBuffer  # noqa: E402
from mmengine.runner import CheckpointLoader, Runner, checkpoint  # noqa: E402

compat.apply()


class Attack:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def run(folder, epochs, **changes):
    config = Config.fromfile(toy_run.write_config(folder))
    config.update(
        work_dir=str(folder / 'work'),
        experiment_name=f'{folder.name}-{epochs}',
        log_level='WARNING',
        **changes,
    )
    config.train_cfg.max_epochs = epochs
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


def test_our_own_run_resumes_with_its_history(tmp_path):
    run(tmp_path, 1)
    path = tmp_path / 'work' / 'epoch_1.pth'
    with pytest.raises(pickle.UnpicklingError, match='Weights only load failed'):
        torch.load(path)  # without the cure this is what mmengine does
    resumed = run(tmp_path, 2, resume=True)
    assert resumed.epoch == 2 and resumed.iter == 4
    log = resumed.message_hub.get_scalar('train/loss')
    assert type(log) is HistoryBuffer and len(log.data[0]) == 4  # two steps of each epoch
    assert log.current() == log.data[0][-1]
    pickle.dumps(log)


def test_optimizer_state_is_resumed(tmp_path):
    adam = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.1))
    run(tmp_path, 1, optim_wrapper=adam)
    saved = checkpoint.load_from_local(str(tmp_path / 'work/epoch_1.pth'), 'cpu')
    resumed = run(tmp_path, 2, optim_wrapper=adam, resume=True)
    steps = [state['step'].item() for state in resumed.optim_wrapper.optimizer.state.values()]
    assert [state['step'].item() for state in saved['optimizer']['state'].values()] == [2, 2]
    assert steps == [4, 4]


def test_a_resumed_run_executes_no_text_of_its_checkpoint(tmp_path):
    run(tmp_path, 1)
    path, target = tmp_path / 'work' / 'epoch_1.pth', tmp_path / 'created'
    content = torch.load(path, weights_only=False)
    attack = f"__import__('os').mkdir({str(target)!r})\n"
    content['meta'].update(config=attack, cfg=attack)
    content['message_hub']['runtime_info']['cfg'] = attack
    torch.save(content, path)
    resumed = run(tmp_path, 2, resume=True)
    assert resumed.epoch == 2 and not target.exists()
    assert resumed.message_hub.get_info('cfg') == resumed.cfg.pretty_text  # its own


def test_a_strangers_checkpoint_runs_no_code_and_its_weights_load(tmp_path):
    path, target = tmp_path / 'stranger.pth', tmp_path / 'created'
    torch.save(dict(state_dict=dict(weight=torch.ones(1)), meta=Attack(target)), path)
    found = CheckpointLoader.load_checkpoint(str(path), 'cpu')
    assert found['state_dict']['weight'] == 1 and not target.exists()


def test_a_url_is_read_by_the_same_rules(tmp_path):
    source, target, cache = tmp_path / 'stranger.pth', tmp_path / 'created', tmp_path / 'cache'
    torch.save(dict(state_dict={}, meta=Attack(target)), source)
    for _ in range(2):  # downloaded, then found in the cache
        found = checkpoint.load_from_http(f'file://{source}', 'cpu', model_dir=str(cache))
        assert found['state_dict'] == {} and not target.exists()
    assert (cache / source.name).exists()
    from mmengine.utils.dl_utils import load_url

    load_url(f'file://{source}', model_dir=str(cache))  # without the cure
    assert target.exists()


def test_a_wrong_hash_in_the_name_is_refused(tmp_path):
    source = tmp_path / 'net-0123abcd.pth'
    torch.save({}, source)
    with pytest.raises(RuntimeError, match='invalid hash value'):
        checkpoint.load_from_http(f'file://{source}', model_dir=str(tmp_path / 'cache'))


def test_applying_twice_keeps_one_loader():
    compat.apply()
    assert CheckpointLoader._schemes[''] is checkpoint.load_from_local
