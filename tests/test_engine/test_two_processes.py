"""torchrun with two processes: what becomes of all where one comes to an end."""

import pytest
from mmengine.runner.checkpoint import _load_checkpoint as load
from test_engine.test_stop_hook import assert_equal
from toy_run import write_config
from toy_torchrun import torchrun

EPOCHS = 3  # of two steps
STEP = 4  # of six; the first checkpoint stands behind the second
PATIENCE = dict(hangs=15)  # seconds that a process waits for another; else many
WITHIN = 300  # seconds in which all is over: many times what it takes on a quiet machine


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Trains in two processes: ``run(name, *words, how=..., **where)``."""
    folder = tmp_path_factory.mktemp('two')

    def train(name, *words, stop=None, **end):
        config = write_config(
            folder,
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS, val_interval=2),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
                ema=dict(type='EMAHook', momentum=0.1),
                reseed=dict(type='ReseedHook'),
            ),
            custom_hooks=[dict(type='ToyEnd', nth=STEP, **end)] if end else [],
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.1), accumulative_counts=3),
            env_cfg=dict(dist_cfg=dict(timeout=PATIENCE.get(end.get('how'), WITHIN))),
        )
        options = ('train_dataloader.batch_size=1',)
        return torchrun(config, folder / name, *words, options=options, stop=stop)

    train.folder = folder
    return train


def kept(folder):
    checkpoint = load((folder / 'last_checkpoint').read_text())
    return {key: checkpoint[key] for key in ('state_dict', 'ema_state_dict', 'optimizer')}


@pytest.fixture(scope='module')
def whole(run):
    code, said, _ = run('whole')
    assert code == 0, said
    return kept(run.folder / 'whole')


ENDS = dict(
    killed='',
    misused='train.py: what came must be another thing',
    broken='ZeroDivisionError: something else is wrong',
    infinite='train.py: the step of iteration 4 (epoch 2) is not finite',
    hangs='',
)


@pytest.mark.parametrize('how', ENDS)
def test_where_one_process_ends_all_end_and_the_resumed_run_is_that_of_nobody_ending(
    run, whole, how
):
    code, said, seconds = run(how, how=how)
    assert code != 0 and seconds < WITHIN
    assert ENDS[how] in said[1]
    assert [path.name for path in (run.folder / how).glob('epoch*.pth')] == ['epoch_1.pth']
    code, said, _ = run(how, '--resume')
    assert code == 0, said
    assert_equal(kept(run.folder / how), whole)


def test_sigterm_to_torchrun_stops_both_at_one_step_behind_one_checkpoint(run, whole):
    work_dir = run.folder / 'stopped'
    code, said, seconds = run('stopped', how='marks', stop=work_dir / 'mark')
    assert code != 0 and seconds < WITHIN
    assert [path.name for path in work_dir.glob('*stopped*')] == ['stopped.pth']
    told = [line for each in said for line in each.splitlines() if 'ended by SIGTERM' in line]
    assert len(told) == 1 and 'stopped.pth is whole, go on with --resume' in told[0]
    code, said, _ = run('stopped', '--resume')
    assert code == 0, said
    assert_equal(kept(work_dir), whole)
    assert not (work_dir / 'stopped.pth').exists()
