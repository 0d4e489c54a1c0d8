"""Default hooks of a runner, left out or raising."""

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner


@pytest.fixture
def runner():
    runner = Runner.__new__(Runner)
    runner._hooks = []
    return runner


@pytest.mark.parametrize('name', ['reseed', 'visualization', 'timer', 'logger'])
def test_any_default_hook_can_be_left_out(runner, name):
    kept = dict(type='EmptyCacheHook')
    runner.register_default_hooks({name: None, 'kept': kept})
    kinds = [type(hook).__name__ for hook in runner.hooks]
    assert 'EmptyCacheHook' in kinds and len(kinds) == 7 - (name in ('timer', 'logger'))


def test_an_error_in_a_hook_keeps_its_class_and_its_place(runner):
    class Mine(TypeError):
        pass

    class Raises(Hook):
        def before_train(self, runner):
            raise Mine('a type')

    runner._hooks = [Raises()]
    with pytest.raises(Mine, match='^a type$') as caught:
        runner.call_hook('before_train')
    assert caught.traceback[-1].name == 'before_train'
