"""Every Markdown file renders as it is meant, and no link of it leads nowhere."""

import re

import pytest
import yaml
from markdown_pages import PAGES, ROOT, dead_links, faults_of_form, tables
from test_structure import ROOMS

PAGE = pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
TABLE = '| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n'


def test_there_are_pages():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {'README.md', 'CONTRIBUTING.md', 'docs/index.md', 'configs/srkd/README.md'} <= names


@PAGE
def test_tables_come_out_as_tables(page):
    text = page.read_text()
    assert not faults_of_form(text)
    outside_code = re.sub(r'^```.*?^```', '', text, flags=re.DOTALL | re.MULTILINE)
    assert tables(text) == len(re.findall(r'^\|[-:| ]+\|$', outside_code, re.MULTILINE))


@pytest.mark.parametrize(
    'broken',
    [
        TABLE.replace('\n| 3', '\n\n| 3'),  # an empty line cuts it in two
        TABLE.replace('|---|---|\n', ''),  # no line below the head
        TABLE.replace('2 |', '2 | 3 |'),  # a cell too many, which would vanish
        TABLE.replace('2', '`a || b`'),  # bars in code are bars
        'text\n' + TABLE,  # no table on the site
        'text\n- an item',
    ],
)
def test_a_broken_table_is_found(broken):
    assert not faults_of_form(f'text\n\n{TABLE}\ntext')
    assert faults_of_form(broken)


@PAGE
def test_relative_links_and_anchors_exist(page):
    assert not dead_links(page.read_text(), page)


def test_dead_links_are_found():
    page = ROOT / 'docs/index.md'
    text = '# A title\n\n[a](#a-title) [b](own_pair.md#terms) [c](https://x.y) ![d](streets.png)'
    assert not dead_links(text, page)
    dead_ones = '[a](#b-title)', '[b](own_pair.md#no)', '[c](no.md)', '![d](no.png)', '[e](../docs)'
    for dead in dead_ones:
        assert dead_links(f'# A title\n\n{dead}', page)


def test_the_site_and_the_index_name_every_page():
    site = (ROOT / 'mkdocs.yml').read_text()
    index = (ROOT / 'docs/index.md').read_text()
    for page in (ROOT / 'docs').glob('*.md'):
        assert f'docs/{page.name}' in site
        assert page.name == 'index.md' or f']({page.name})' in index, page.name


def test_contributing_names_the_rooms_in_their_order():
    rooms = re.findall(r'^\| `projects/SRKD/(\w+)`', (ROOT / 'CONTRIBUTING.md').read_text(), re.M)
    assert tuple(rooms) == ROOMS


def test_the_model_index_imports_every_metafile():
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert sorted(imported) == sorted(
        str(path.relative_to(ROOT)) for path in ROOT.glob('configs/*/metafile.yml')
    )
