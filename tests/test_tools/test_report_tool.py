import importlib.util
import sys
from pathlib import Path

import pytest
from toy_rooms import write_room_config
from toy_work_dir import Page, steps_of, write_run

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/report.py'


@pytest.fixture
def run(monkeypatch):
    def run(*words):
        spec = importlib.util.spec_from_file_location('report_tool', TOOL)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', ['report.py', *map(str, words)])
        module.main()

    return run


def test_the_page_lies_in_the_first_work_dir_and_its_size_is_said(tmp_path, run, capsys):
    folder = write_run(tmp_path / 'a', write_room_config(tmp_path), steps_of(1.0, 0.5))
    run(folder, '--scans', 0)
    page = folder / 'report.html'
    assert capsys.readouterr().out == f'{page}: {page.stat().st_size / 1e6:.1f} MB\n'
    assert 'numbers of a' in Page(page.read_text()).text


def test_what_is_no_work_dir_is_one_sentence(tmp_path, run, misuse):
    with misuse('^report.py: work dir .*/none does not exist; '):
        run(tmp_path / 'none')
