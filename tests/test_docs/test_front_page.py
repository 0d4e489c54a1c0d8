"""The README is short, says first what a stranger wants, and what it shows works as shown."""

import configparser
import re
import shutil

import pytest
import yaml
from markdown_pages import ROOT, links
from mmengine.config import Config
from toy import build, minkunet, save_checkpoint

README = (ROOT / 'README.md').read_text()
PAIR = re.compile(r"```python\n(_base_ = \['./my_student.*?)```", re.DOTALL)
# Row of the README's evidence -> file of results and its rows.
STUDIES = {
    'procedural rooms': ('study_mini', 'alone', 'srkd'),
    'procedural rooms, a second study': ('study_mini_cache', 'alone', 'srkd'),
    'the same, teacher from a cache of four views': ('study_mini_cache', 'alone', 'srkd-views'),
    'procedural streets, PTv3': ('study_mini_streets', 'ptv3_alone', 'ptv3_srkd'),
    'nine real frames of PandaSet, PTv3': ('study_mini_pandaset', 'ptv3_alone', 'ptv3_srkd'),
}


def words_before(mark: str) -> int:
    before, found, _ = README.partition(mark)
    assert found
    return len(before.split())


def test_it_has_at_most_120_lines_none_wider_than_160():
    lines = README.splitlines()
    assert len(lines) <= 120
    assert not [line for line in lines if len(line) > 160 and not line.startswith('|')]


def test_commands_and_the_own_pair_come_early():
    assert words_before('```') <= 220
    assert words_before('## Your own pair') <= 400
    assert README[: README.index('## Your own pair')].count('\n') <= 60  # the second screen


def test_it_has_a_picture_five_bullets_license_and_citation():
    first, bullets, *_ = README.split('\n## ')
    assert re.search(r'^!\[.+\]\(docs/\w+\.png\)$', first, re.MULTILINE)
    assert bullets.startswith('What you get') and bullets.count('\n- ') == 5
    assert {'LICENSE', 'NOTICE', 'CITATION.cff', 'configs/srkd/README.md'} <= set(links(README))
    assert '```bibtex' in README


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r'[+-]?\d+\.\d+', text)]


@pytest.mark.parametrize('row', STUDIES)
def test_the_evidence_is_that_of_the_results(row):
    file, alone, taught = STUDIES[row]
    results = (ROOT / f'studies/results/{file}.md').read_text()

    def score(name):
        (line,) = re.findall(rf'^\| {name} +\|.*', results, re.MULTILINE)
        return numbers(line.split('|')[3])[:2]

    (paired,) = re.findall(rf'^- {taught} - {alone}: (.*) \(', results, re.MULTILINE)
    (said,) = re.findall(rf'^\| {row} \|.*', README, re.MULTILINE)
    measured = score(alone) + score(taught) + numbers(paired)
    assert numbers(said) == pytest.approx(measured, abs=0.0501)


@pytest.mark.parametrize('page', ['README.md', 'docs/own_pair.md'])
def test_the_config_of_an_own_pair_is_a_whole_file(page, tmp_path, monkeypatch):
    (snippet,) = PAIR.findall((ROOT / page).read_text())
    assert len(snippet.splitlines()) < 30
    for folder, width in (('student', 8), ('teacher', 16)):
        path = tmp_path / 'configs' / ('own' if folder == 'student' else '') / f'my_{folder}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'model = {minkunet(width)!r}\n')
    shutil.copytree(ROOT / 'configs/_base_', tmp_path / 'configs/_base_')
    (tmp_path / 'configs/own/my_pair.py').write_text(snippet)
    (tmp_path / 'work_dirs/my_teacher').mkdir(parents=True)
    save_checkpoint(minkunet(16), tmp_path / 'work_dirs/my_teacher/epoch_50.pth')
    monkeypatch.chdir(tmp_path)
    model = build(Config.fromfile('configs/own/my_pair.py').model)
    model.init_weights()
    assert model.teacher.built and 'kd' in model.terms


def test_the_files_that_pages_name_in_commands_exist():
    for page in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *(ROOT / 'docs').glob('*.md')):
        text = page.read_text()
        named = re.findall(r'(?:python|bash) ((?:tools|benchmarks)/[\w/]+\.(?:py|sh))', text)
        named += re.findall(r'(configs/(?:srkd|pointdistiller|mini)/[\w.-]+\.py)', text)
        for path in named:
            assert (ROOT / path).exists(), (page.name, path)


def test_the_targets_of_make_that_pages_name_exist():
    makefile = (ROOT / 'Makefile').read_text()
    for page in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *(ROOT / 'docs').glob('*.md')):
        for target in re.findall(r'(?:`|^|\$ )make ([a-z-]+)', page.read_text(), re.MULTILINE):
            assert re.search(rf'^{target}:', makefile, re.MULTILINE), (page.name, target)


def test_citation_and_package_say_one_version_and_license():
    package = configparser.ConfigParser()
    package.read(ROOT / 'setup.cfg')
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    for key in ('version', 'license'):
        assert citation[key] == package['metadata'][key]
    assert citation['authors'] == [dict(name='The SRKD toolbox contributors')]
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()
