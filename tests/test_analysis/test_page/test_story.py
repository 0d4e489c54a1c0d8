"""The page as a whole: well-formed, complete, fetching nothing, equal to the logs."""

import shutil
import subprocess

import pytest
from toy_page import room_networks
from toy_work_dir import Page, steps_of, write_run

from projects.SRKD.analysis.page.story import report
from projects.SRKD.base import UsageError

SECTIONS = [
    'summary', 'curves', 'scores', 'clouds', 'boxes', 'agreement', 'relations', 'cost', 'origin'
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    one, _ = room_networks(tmp_path)
    steps = steps_of(4.0, 3.5, loss_sem_seg=[4.0, 3.5])
    made = write_run(tmp_path / 'run', one.config.filename, steps, [dict(miou=0.123, step=2)])
    shutil.copy(one.checkpoint, made / 'epoch_2.pth')
    (made / 'last_checkpoint').write_text('epoch_2.pth')
    return made


def test_the_page_has_every_section_and_the_numbers_of_the_log(folder, tmp_path):
    out = report([folder], tmp_path / 'new' / 'page.html', scans=1)
    page = Page(out.read_text())
    assert page.ids == SECTIONS
    assert [one for one in page.resources if one[0] != '#' and one[:5] != 'data:'] == []
    losses = page.data['chart']['losses of run, as they enter the total']['data']
    assert [one['y'] for one in losses] == [[4.0, 3.5]] * 2
    assert 'miou 12.30' in page.text
    assert page.text.count('Missing:') == 2  # agreement.json, a teacher to take the difference to
    assert out.stat().st_size < 6e6


def test_the_page_of_a_log_alone_says_what_is_missing(folder, tmp_path):
    shutil.rmtree(tmp_path / 'alone' / 'rooms')
    text = Page(report([folder], tmp_path / 'page.html').read_text()).text
    assert text.count('scans that the networks can look at') == 4
    page = Page(report([folder], tmp_path / 'page.html', scans=0).read_text())
    assert page.ids == SECTIONS and page.text.count('scans: --scans is 0') == 4


def test_a_diverged_run_has_a_page_that_says_so(folder, tmp_path):
    (folder / 'non_finite_iter3').mkdir()
    text = Page(report([folder], tmp_path / 'page.html', scans=0).read_text()).text
    assert 'diverged at non_finite_iter3' in text


def test_a_folder_that_is_no_run_is_refused_before_anything_is_written(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UsageError, match='a work dir must be .* it is empty'):
        report([folder, tmp_path / 'empty'], tmp_path / 'page.html')
    assert not (tmp_path / 'page.html').exists()


def test_a_browser_draws_every_chart(folder, tmp_path):
    browser = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser'))), None)
    if browser is None:
        pytest.skip('no chromium is installed')
    out = report([folder], tmp_path / 'page.html', scans=0)
    done = subprocess.run(
        [browser, '--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=5000',
         f'--user-data-dir={tmp_path / "profile"}', '--dump-dom', out.as_uri()],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.stdout.count('class="main-svg"') >= 2  # of a chart that was drawn
