"""What a training starts from: every weight of it, or a list of what was left out."""

import uuid
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from toy import build, minkunet, save_checkpoint
from toy_run import write_config

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.engine import DistillCheckpointHook, EveryWeightHook, launch
from projects.SRKD.engine.every_weight_hook import check_state
from projects.SRKD.engine.loading import settle_loading
from projects.SRKD.models.weights import check_finite, compare_weights

FULL = {'line.weight': torch.full((1, 1), 3.0), 'line.bias': torch.full((1,), 1.0)}


def train(config, folder, **flags):
    options = {'experiment_name': uuid.uuid4().hex, 'optim_wrapper.optimizer.lr': 0.0}
    return launch.train(config, work_dir=folder, cfg_options=options, **flags)


@pytest.fixture
def saved(tmp_path):
    def save(weights, whole=None):
        content = dict(state_dict=weights) if whole is None else whole
        torch.save(content, tmp_path / 'weights.pth')
        return str(tmp_path / 'weights.pth')

    return save


MISFITS = {
    'missing': (dict(list(FULL.items())[:1]), '1 of 2 keys match, 1 missing.*missing line.bias'),
    'misshapen': (
        dict(FULL, **{'line.weight': torch.ones(2, 1)}),
        r'1 of another shape; line.weight: expected \(1, 1\), got \(2, 1\)',
    ),
    'renamed': (
        {f'net.{key}': value for key, value in FULL.items()},
        '0 of 2 keys match.*missing line.weight, nearest present net.line.weight',
    ),
    'further': (
        dict(FULL, more=torch.ones(1)),
        '2 of 2 keys match, 0 missing, 1 unexpected.*unexpected more',
    ),
    'none': ({}, 'holds no weights'),
}


@pytest.mark.parametrize('key', ['load_from', 'resume'])
@pytest.mark.parametrize(('weights', 'message'), MISFITS.values(), ids=MISFITS)
def test_weights_that_would_stay_random_end_the_run(weights, message, key, saved, tmp_path):
    path = saved(weights)
    if key == 'load_from':
        config, flags = write_config(tmp_path, load_from=path), {}
    else:
        config, flags = write_config(tmp_path), dict(resume=path)
    with pytest.raises(UsageError, match=f'checkpoint {path} .*{message}'):
        train(config, tmp_path / 'run', **flags)


@pytest.mark.parametrize('key', ['load_from', 'resume'])
def test_a_file_that_is_not_there_or_torn_is_named(key, tmp_path):
    def start(path):
        if key == 'load_from':
            return train(write_config(tmp_path, load_from=str(path)), tmp_path / 'run')
        return train(write_config(tmp_path), tmp_path / 'run', resume=str(path))

    (tmp_path / 'epoch_1.pth').write_bytes(b'torn')
    said = f'{key} .*epoch_2.pth does not exist .*the nearest name there is .*epoch_1.pth'
    with pytest.raises(FileMissingError, match=said):
        start(tmp_path / 'epoch_2.pth')
    with pytest.raises(UsageError, match='epoch_1.pth .*is damaged or not a checkpoint'):
        start(tmp_path / 'epoch_1.pth')


def test_weights_that_fit_are_loaded(saved, tmp_path):
    runner = train(write_config(tmp_path, load_from=saved(FULL)), tmp_path / 'run')
    assert runner.model.line.weight.item() == 3 and runner.model.line.bias.item() == 1


@pytest.mark.parametrize('way', ['flag', 'config'])
def test_what_fits_is_loaded_in_part_when_asked_for_and_the_rest_listed(way, saved, tmp_path):
    path = saved(dict(FULL, **{'line.bias': torch.ones(5)}))
    source = path if way == 'flag' else dict(checkpoint=path, partial=True)
    config = write_config(tmp_path, load_from=source)
    runner = train(config, tmp_path / 'run', **(dict(partial=True) if way == 'flag' else {}))
    assert runner.model.line.weight.item() == 3 and runner.model.line.bias.item() != 1
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert '1 of 2 weights of ToyLine, these stay as initialized: line.bias' in log.read_text()


def test_weights_that_no_part_has_are_left_out_in_part_and_listed(saved, tmp_path):
    config = write_config(tmp_path, load_from=saved(dict(FULL, more=torch.ones(1))))
    runner = train(config, tmp_path / 'run', partial=True)
    assert runner.model.line.weight.item() == 3 and runner.model.line.bias.item() == 1
    (log,) = (tmp_path / 'run').glob('*/*.log')
    said = '2 of 2 weights of ToyLine, these of the file are left out: more'
    assert said in log.read_text()


def test_a_file_of_which_nothing_fits_is_refused_in_part_as_well(saved, tmp_path):
    config = write_config(tmp_path, load_from=saved({'other': torch.ones(1)}))
    with pytest.raises(UsageError, match='0 of 2 keys match'):
        train(config, tmp_path / 'run', partial=True)


def test_partial_needs_something_to_load_and_no_resume(saved):
    with pytest.raises(UsageError, match='--partial needs load_from'):
        settle_loading(Config(), None, True)
    with pytest.raises(UsageError, match='--partial belongs to load_from and not to --resume'):
        settle_loading(Config(dict(load_from=saved(FULL))), saved(FULL), True)
    with pytest.raises(UsageError, match='load_from must be a path or dict.*got the keys file'):
        settle_loading(Config(dict(load_from=dict(file='x'))), None, False)


def test_a_run_to_be_resumed_that_never_began_starts_from_its_weights(saved, tmp_path):
    path = saved(FULL)
    config = write_config(tmp_path, load_from=path)
    runner = train(config, tmp_path / 'run', resume='auto')
    assert runner.model.line.weight.item() == 3 and runner.epoch == 1
    assert warned(tmp_path / 'run') == f': training starts with the weights of {path}'
    again = train(config, tmp_path / 'run', resume='auto')  # now there is a checkpoint
    assert again._resume and again.epoch == 1


def warned(folder):
    """End of the one line that says that there is nothing to resume."""
    (log,) = folder.glob('*/*.log')
    text = log.read_text()
    assert 'resumed from' not in text  # mmengine's "Auto resumed from the latest checkpoint None"
    (line,) = [line for line in text.splitlines() if 'nothing to resume' in line]
    start = f'WARNING - nothing to resume in {folder} ({folder}/last_checkpoint does not exist)'
    assert start in line
    return line.partition(start)[2]


@pytest.mark.parametrize('way', ['flag', 'config'])
def test_a_run_with_nothing_to_resume_says_that_it_starts_anew(way, tmp_path):
    changes, flags = (dict(resume=True), {}) if way == 'config' else ({}, dict(resume='auto'))
    runner = train(write_config(tmp_path, **changes), tmp_path / 'run', **flags)
    assert runner.epoch == 1
    assert warned(tmp_path / 'run') == ': training starts from the beginning'


def test_a_folder_is_no_checkpoint(tmp_path):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/epoch_3.pth').touch()
    with pytest.raises(UsageError, match='--resume .*other is a folder, .*; it holds epoch_3.pth'):
        train(write_config(tmp_path), tmp_path / 'run', resume=str(tmp_path / 'other'))


def test_a_distiller_is_strict_under_the_tools_of_mmdet3d(tmp_path):
    network = build(minkunet(8))
    content = torch.load(save_checkpoint(minkunet(16), tmp_path / 'other.pth'), weights_only=True)
    runner = SimpleNamespace(
        hooks=[], model=network, _load_from='other.pth', _resume=False, work_dir=tmp_path
    )
    with pytest.raises(UsageError, match='checkpoint other.pth does not fit MinkUNet.*conv_input'):
        DistillCheckpointHook().after_load_checkpoint(runner, content)
    runner.hooks = [EveryWeightHook(partial=True)]  # it judges alone
    network.terms = torch.nn.ModuleDict()
    DistillCheckpointHook().after_load_checkpoint(runner, content)


WRONG = {'line.weight': torch.full((1, 1), float('nan')), 'line.bias': torch.ones(1)}
REFUSED = r'with 1 of 2 tensors that hold NaN or infinity: line.weight \(1 of 1\); .* earlier check'


@pytest.mark.parametrize('way', ['load_from', 'partial', 'resume', 'test'])
def test_weights_that_are_no_numbers_are_refused(way, saved, tmp_path):
    path = saved(WRONG)
    with pytest.raises(UsageError, match=f'must be finite, but got checkpoint {path} {REFUSED}'):
        if way == 'test':
            options = {'experiment_name': uuid.uuid4().hex}
            config = write_config(tmp_path)
            launch.test(config, path, work_dir=tmp_path / 'run', cfg_options=options)
        elif way == 'resume':
            train(write_config(tmp_path), tmp_path / 'run', resume=path)
        else:
            config = write_config(tmp_path, load_from=path)
            train(config, tmp_path / 'run', partial=way == 'partial')


@pytest.mark.parametrize(
    'beside', [dict(ema_state_dict=WRONG), dict(distill=dict(connectors=WRONG))]
)
def test_averages_and_connectors_that_are_no_numbers_are_not_resumed(beside, saved, tmp_path):
    path = saved(None, dict(state_dict=FULL, **beside))
    with pytest.raises(UsageError, match='must be finite to resume, .* 1 that hold .*line.weight'):
        train(write_config(tmp_path), tmp_path / 'run', resume=path)
    train(write_config(tmp_path, load_from=path), tmp_path / 'run')


def test_a_mask_of_infinities_that_the_network_is_built_with_is_no_fault():
    network = torch.nn.Linear(1, 1)
    network.register_buffer('mask', torch.tensor([0.0, -float('inf')]))
    check_finite(network, network.state_dict(), 'a file')
    with pytest.raises(UsageError, match=r'got a file with 1 of 3 tensors .*: bias \(1 of 1\)'):
        check_finite(network, network.state_dict() | dict(bias=-network.mask[1:]), 'a file')


def test_kernels_of_spconv_1_fit_as_they_are_loaded():
    network = build(minkunet(8))
    weights = {
        key: value.movedim(0, -1) if value.dim() == 5 else value
        for key, value in network.state_dict().items()
    }
    assert compare_weights(network, weights).fills


@pytest.mark.parametrize(
    ('changed', 'lacking'),
    [
        (dict(meta=None), 'meta.epoch, meta.iter'),
        (dict(meta=dict(epoch='3', iter=7)), 'meta.epoch'),
        (dict(message_hub=[]), 'message_hub.log_scalars, message_hub.runtime_info'),
        (dict(optimizer=7), 'optimizer'),
    ],
)
def test_what_is_no_state_of_a_run_is_not_resumed(changed, lacking):
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
    whole = dict(meta=dict(epoch=3, iter=7), message_hub=hub, optimizer={})
    check_state(whole, 'a.pth')
    with pytest.raises(UsageError, match=f'a.pth must hold the state of a run .*lacks {lacking}'):
        check_state(whole | changed, 'a.pth')
