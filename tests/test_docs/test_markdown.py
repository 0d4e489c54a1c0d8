"""Every Markdown file renders as it is meant, and no link of it leads nowhere."""

import ast
import re

import pytest
import yaml
from markdown_pages import PAGES, ROOT, dead_links, faults_of_form, links, tables
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


@PAGE
def test_the_site_has_every_page_and_what_it_links_to(page):
    def matches(path, patterns):
        return any(path in ROOT.glob(pattern) for pattern in patterns)

    hook = (ROOT / 'docs/mkdocs_hook.py').read_text()
    pages, linked = (
        ast.literal_eval(re.search(rf'^{name} = (\(.*?\))\s*(?=\n|#)', hook, re.M | re.S)[1])
        for name in ('PAGES', 'LINKED')
    )
    assert matches(page, pages)
    site = (ROOT / 'mkdocs.yml').read_text()
    not_in_nav = re.search(r'not_in_nav: \|\n((?:  .*\n)+)', site)[1].split()
    assert f'{page.relative_to(ROOT)}\n' in site or matches(page, not_in_nav)
    for link in links(page.read_text()):
        target = (page.parent / link.partition('#')[0]).resolve()
        if target.is_file() and target != page:
            assert matches(target, pages + linked), link


def test_the_index_names_every_page():
    index = (ROOT / 'docs/index.md').read_text()
    for page in (ROOT / 'docs').glob('*.md'):
        assert page.name == 'index.md' or f']({page.name})' in index, page.name


def test_contributing_names_the_rooms_in_their_order():
    rooms = re.findall(r'^\| `projects/SRKD/(\w+)`', (ROOT / 'CONTRIBUTING.md').read_text(), re.M)
    assert tuple(rooms) == ROOMS


def test_the_model_index_imports_every_metafile():
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert sorted(imported) == sorted(
        str(path.relative_to(ROOT)) for path in ROOT.glob('configs/*/metafile.yml')
    )
