"""Numbers of the pages are those of the committed results; what tools print is what they print."""

import re

import pytest
from markdown_pages import ROOT, links

from projects.SRKD.analysis.report import Row, comparison_table

MEASURED = re.compile(r'([+-]?\d+\.\d+)(?: [A-Za-z0-9 ]+)? \+- (\d+\.\d+)')
SAID = re.compile(r'([+-]?\d+\.\d+) \+- (\d+\.\d+)')
REPORT = re.compile(r'results/[\w-]+/report\.md')
NUMBER = re.compile(r'[+-]?\d+\.\d+')
PAGES = ('docs/evidence.md', 'docs/cache.md')


def sections(page: str) -> list[tuple[str, list[str]]]:
    """Sections that say ``mean +- deviation``, and the results that each of them links."""
    text = (ROOT / page).read_text()
    found = [(part, [link for link in links(part) if 'results/study_' in link])
             for part in re.split(r'^## ', text, flags=re.MULTILINE)]  # fmt: skip
    return [(part, files) for part, files in found
            if SAID.search(part) and not REPORT.search(part)]  # fmt: skip


def unknown(text: str, results: str) -> list[tuple[str, str]]:
    """What a text says and the results do not, up to the rounding to one decimal."""
    measured = [(float(mean), float(spread)) for mean, spread in MEASURED.findall(results)]
    return [(mean, spread) for mean, spread in SAID.findall(text)
            if not any(abs(float(mean) - m) < 0.0501 and abs(float(spread) - s) < 0.0501
                       for m, s in measured)]  # fmt: skip


@pytest.mark.parametrize('page', PAGES)
def test_means_and_deviations_are_those_of_the_results_that_their_section_links(page):
    assert sections(page)
    for text, files in sections(page):
        assert files, text[:60]
        results = '\n'.join(((ROOT / page).parent / file).read_text() for file in files)
        assert not unknown(text, results), text[:60]


def reported(page: str) -> list[tuple[str, str]]:
    """Tables of the sections that link the page of a planned study, and what these pages say."""
    text = (ROOT / page).read_text()
    found = []
    for part in re.split(r'^##+ ', text, flags=re.MULTILINE):
        files = [link for link in links(part) if REPORT.search(link)]
        rows = '\n'.join(line for line in part.splitlines() if line.startswith('|'))
        if files and NUMBER.search(rows):
            pages = '\n'.join(((ROOT / page).parent / link).read_text() for link in files)
            found.append((rows, pages))
    return found


def unreported(rows: str, pages: str) -> list[str]:
    """Numbers of a table that are none of the pages', rounded to as many digits."""
    known = [float(number) for number in NUMBER.findall(pages)]
    return [number for number in NUMBER.findall(rows)
            if not any(abs(float(number) - of) <= 0.501 * 10 ** -len(number.split('.')[1])
                       for of in known)]  # fmt: skip


@pytest.mark.parametrize('page', ('docs/evidence.md', 'README.md'))
def test_tables_of_planned_studies_say_what_their_pages_say(page):
    assert reported(page)
    for rows, pages in reported(page):
        assert not unreported(rows, pages), rows[:80]


def test_a_number_that_no_page_has_is_found():
    assert not unreported('| kd | 31.4 | +29.1 .. +33.0 |', '| 31.42 +- 1.20 | +29.09 .. +33.04 |')
    assert unreported('| kd | 31.5 |', '31.42') and unreported('| -1.2 |', '+1.20')


def test_a_number_that_nobody_measured_is_found():
    results = '| srkd | 3 | 58.37 +- 2.41 |\n- srkd - alone: +1.85 mIoU +- 2.76 (-1.02, +4.49)'
    assert not unknown('58.4 +- 2.4, paired +1.9 +- 2.8', results)
    assert unknown('58.5 +- 2.4', results) and unknown('-1.9 +- 2.8', results)


def test_the_readme_shows_the_table_as_the_demo_prints_it():
    (shown,) = re.findall(r'^\| network.*?(?=\n[^|])', (ROOT / 'README.md').read_text(),
                          re.MULTILINE | re.DOTALL)  # fmt: skip
    rows = []
    for line in shown.splitlines()[2:]:
        name, miou, macc, millions, ratio, flops, ms = map(str.strip, line.strip('|').split('|'))
        rows.append(Row(name, {'mIoU': [float(miou)], 'mAcc': [float(macc)]},
                        round(float(millions) * 1e6), float(ratio.rstrip('x')),
                        float(flops) * 1e9, float(ms)))  # fmt: skip
    assert comparison_table(rows) == shown
