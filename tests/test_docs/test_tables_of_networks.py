"""Roles, ratios and parameters in the READMEs of ``configs`` are those of the configs."""

import re
from pathlib import Path

import pytest
import zoo

ROW = re.compile(r'^\| \[[^]]+\]\(([^)/]+\.py)\) \| ([^|]+) \| ([\d,]+) \|', re.MULTILINE)
FOLDERS = ('srkd', 'pointdistiller', 'mini')


def rows(folder: str) -> list[tuple[Path, str, int]]:
    text = (zoo.CONFIGS / folder / 'README.md').read_text()
    return [(zoo.CONFIGS / folder / name, role.strip(), int(count.replace(',', '')))
            for name, role, count in ROW.findall(text)]  # fmt: skip


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_network_has_a_row_and_every_pair_is_named(folder):
    text = (zoo.CONFIGS / folder / 'README.md').read_text()
    assert sorted(path for path, _, _ in rows(folder)) == zoo.networks(folder)
    for path in zoo.configs(folder):  # ablations by their method alone
        assert f']({path.name})' in text or f'`{path.stem.split("_")[0]}`' in text, path.name


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_role_is_the_one_that_the_pairs_give_the_network(folder):
    for path, role, _ in rows(folder):
        expected = zoo.role(path)
        assert re.match(rf'{expected}\b(?!, \d)', role), (path.name, role, expected)


def test_the_large_pointpillars_of_nuscenes_is_a_teacher():
    path = zoo.CONFIGS / 'pointdistiller/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py'
    assert (zoo.role(path), zoo.parameters(path)) == ('teacher', 6_147_112)
    assert zoo.role(path.with_name('pointpillars-2x_8xb4-2x_nus-3d.py')) == 'student, 2x'


@pytest.mark.parametrize('folder', FOLDERS)
def test_parameters_are_counted_on_the_built_network(folder):
    wrong = {path.name: (said, zoo.parameters(path)) for path, _, said in rows(folder)
             if said != zoo.parameters(path)}  # fmt: skip
    assert not wrong


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_number_of_configs_is_right(folder):
    count = len(zoo.configs(folder))
    assert f' {count} configs' in (zoo.CONFIGS / folder / 'README.md').read_text()
    (row,) = re.findall(rf'^\| \[{folder}\].*', (zoo.CONFIGS / 'README.md').read_text(), re.M)
    assert row.split('|')[3].strip() == str(count)
