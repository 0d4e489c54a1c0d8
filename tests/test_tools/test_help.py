"""``--help`` of every tool and benchmark waits for nothing and explains every flag."""

import json
import sys
from pathlib import Path

import pytest
from processes import run

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / 'tools').rglob('*.py')) + sorted((ROOT / 'benchmarks').glob('bm_*.py'))
SLOW = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'numpy', 'matplotlib', 'projects')
# Runs a program to its --help, with the slow imports refused; says which actions have no help.
CODE = f"""
import argparse, json, runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {SLOW}:
            raise SystemExit(f'--help imports {{name}}')

def unexplained(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from (f'{{name}} {{flag}}' for flag in unexplained(one))
        elif not action.help:
            yield (action.option_strings or [action.dest])[0]

shown = argparse.ArgumentParser.print_help

def print_help(parser, file=None):
    print(json.dumps(sorted(unexplained(parser))))
    shown(parser, file)

argparse.ArgumentParser.print_help = print_help
sys.meta_path.insert(0, Refuse())
program = sys.argv[1]
sys.argv[:] = [program, '--help']
sys.path.insert(0, program.rpartition('/')[0])
runpy.run_path(program, run_name='__main__')
"""


@pytest.mark.parametrize('program', PROGRAMS, ids=lambda path: path.stem)
def test_help_waits_for_nothing_and_explains_every_flag(program, tmp_path):
    done = run([sys.executable, '-c', CODE, program], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    unexplained, usage = done.stdout.split('\n', 1)
    assert json.loads(unexplained) == [] and usage.startswith(f'usage: {program.name}')


def test_a_slow_import_and_a_flag_without_words_are_noticed(tmp_path):
    program = tmp_path / 'tool.py'
    parser = 'import argparse\nparser = argparse.ArgumentParser()\n'
    program.write_text(f"{parser}parser.add_argument('--dumb')\nparser.parse_args()")
    done = run([sys.executable, '-c', CODE, program], cwd=tmp_path)
    assert json.loads(done.stdout.split('\n')[0]) == ['--dumb']
    program.write_text(f'import torch\n{parser}parser.parse_args()')
    done = run([sys.executable, '-c', CODE, program], cwd=tmp_path)
    assert done.returncode == 1 and '--help imports torch' in done.stderr


@pytest.mark.parametrize(
    'word, said',
    [('lr', "words of the form KEY=VALUE, but got 'lr'"), ('a=[1,2', r'a=\[1,2 cannot be read')],
)
def test_an_option_that_cannot_be_read_is_told(word, said):
    from projects.SRKD.base import UsageError
    from projects.SRKD.engine.config_file import parse_options

    with pytest.raises(UsageError, match=said):
        parse_options(['a=1', word])
