import base64
import json

import numpy as np
import pytest
from toy_work_dir import Page

from projects.SRKD.analysis.page import html
from projects.SRKD.base import UsageError

EVIL = '</script><script>alert(1)</script><img src=x onerror="a">'


def test_nothing_that_a_file_says_becomes_a_tag():
    parts = [html.text(EVIL), html.paragraph(EVIL), html.table([EVIL], [[EVIL, EVIL]], EVIL),
             html.missing(EVIL, EVIL), html.folded(EVIL, ''),
             html.chart(EVIL, [dict(name=EVIL)], dict(title=EVIL))]  # fmt: skip
    page = Page(''.join(parts))
    assert page.resources == [] and page.data['chart'][EVIL]['data'] == [dict(name=EVIL)]


def test_numbers_that_json_has_not_are_null_and_arrays_are_lists():
    value = dict(a=np.array([1.5, np.nan]), b=np.float32(2), c=[float('inf')], d=np.int64(3))
    assert json.loads(html.data(value)) == dict(a=[1.5, None], b=2.0, c=[None], d=3)


def test_numbers_are_not_broken_and_long_words_are():
    found = html.table(['a', 'b', 'c'], [['x', '0.0046', 'work_dirs/demo/smoke/alone']])
    assert '<td>0.0046</td>' in found and '<td class="long">work_dirs/demo/smoke/alone' in found


def test_packed_bytes_come_out_again():
    values = np.arange(300, dtype='<u2')
    assert (np.frombuffer(base64.b64decode(html.packed(values)), '<u2') == values).all()


def test_the_page_is_whole_and_may_fetch_nothing():
    text = html.document(f'a {EVIL}', [html.Section('one', 'One', html.paragraph('said'))])
    page = Page(text)
    assert page.ids == ['one'] and page.resources == ['#one'] and 'said' in page.text
    assert "default-src 'none'" in text and 'name="viewport"' in text and '@media print' in text
    assert len(html.plotly_js()) > 4e6 and '</script' not in html.plotly_js().lower()


def test_a_missing_plotly_is_told(monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(html, 'import_module', gone)
    with pytest.raises(UsageError, match='needs plotly.js, .* not installed: pip install plotly'):
        html.plotly_js()
