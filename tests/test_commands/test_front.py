"""One door: help at once, the tools' own words behind it, mistakes in one sentence."""

import json
import sys
from pathlib import Path

import pytest
from processes import run

from projects.SRKD.commands import front

ROOT = Path(__file__).parents[2]
SLOW = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'numpy', 'matplotlib')
# As the console script does it, with the slow imports refused.
HELP = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {SLOW}:
            raise SystemExit(f'--help imports {{name}}')

sys.meta_path.insert(0, Refuse())
sys.argv[:] = ['/bin/srkd', *sys.argv[1:]]
from projects.SRKD.commands.front import main
main()
"""


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Tools that note down what they are called with, in place of ours; ``export`` is missing."""
    for name, command in front.COMMANDS.items():
        if name != 'export':
            script = tmp_path / 'tools' / command.script
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(
                'import json, sys\n'
                f"with open({str(tmp_path / 'called')!r}, 'a') as file:\n"
                '    print(json.dumps([__name__, *sys.argv]), file=file)\n'
            )
    monkeypatch.setattr(front, '_tools', lambda: tmp_path / 'tools')
    monkeypatch.setattr(sys, 'argv', ['srkd'])
    return tmp_path


def called(folder):
    return [json.loads(line) for line in (folder / 'called').read_text().splitlines()]


@pytest.mark.parametrize('words', [(), ('--help',), ('train', '--help'), ('new', '-h')])
def test_help_waits_for_nothing(words, tmp_path):
    done = run([sys.executable, '-c', HELP, *words], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    named = front.COMMANDS[words[0]].script if len(words) == 2 else 'srkd COMMAND'
    assert done.stdout.startswith(f'usage: {named} ')


def test_the_module_is_the_command(tmp_path):
    done = run([sys.executable, '-X', 'importtime', '-m', 'projects.SRKD', '--help'], cwd=tmp_path)
    assert done.stdout.startswith('usage: srkd COMMAND') and '| torch' not in done.stderr


def test_only_a_command_that_asks_for_help_leaves_the_package_unregistered():
    asks = front.asks_for_help
    assert asks(['-m'], ['python', '-m', 'projects.SRKD'])
    assert asks(['/usr/bin/srkd', 'test', '--help'], ['python', '/usr/bin/srkd', 'test', '--help'])
    assert not asks(['/usr/bin/srkd', 'train', 'p'], ['python', '/usr/bin/srkd', 'train', 'p'])
    assert not asks(['-m', '--help'], ['python', '-m', 'pytest', '--help'])
    assert not asks(['tools/train.py', '--help'], ['python', 'tools/train.py', '--help'])
    assert not asks([], ['python'])


def test_every_command_of_a_checkout_has_its_tool_and_help_names_those_that_are_there(
    scripts, capsys
):
    for command in front.COMMANDS.values():
        if command.script != 'export.py':
            assert (ROOT / 'tools' / command.script).is_file()
    front.main(['--help'])
    said = capsys.readouterr().out
    assert [name for name in front.COMMANDS if f'\n  {name} ' in said] == [
        name for name in front.COMMANDS if name != 'export'
    ] and '\n  export ' not in said


def test_words_go_to_the_tool_in_this_process(scripts):
    front.main(['train', 'config.py', '--amp'])
    front.main(['doctor'])
    train, doctor = (str(scripts / 'tools' / name) for name in ('train.py', 'check_env.py'))
    assert called(scripts) == [['__main__', train, 'config.py', '--amp'], ['__main__', doctor]]


def test_a_projects_training_is_two_runs_of_the_tool(scripts):
    for name in ('alone', 'distilled'):
        (scripts / f'{name}.py').touch()
    front.main(['train', str(scripts), '--resume'])
    assert [words[2:] for words in called(scripts)] == [
        [f'{scripts}/alone.py', '--resume'], [f'{scripts}/distilled.py', '--resume']
    ]  # fmt: skip


def test_an_unknown_command_names_the_nearest(scripts, misuse):
    with misuse(r"srkd: COMMAND must be one of new, train, .* but got 'trian', nearest: train"):
        front.main(['trian'])
    with misuse("but got 'export'"):
        front.main(['export'])
