from studies import demo_page
from studies.demo_page import write_demo_page
from studies.runs import Trained


def test_a_page_that_cannot_be_written_does_not_end_a_demo(tmp_path, monkeypatch):
    from projects.SRKD.base import UsageError

    def refused(*args):
        raise UsageError('no plotly')

    monkeypatch.setattr(demo_page, 'seen_of', refused)
    trained = Trained(tmp_path / 'a.py', tmp_path / 'a.pth', 'a')
    networks = {'teacher': (tmp_path / 'a.py', trained, {})}
    built = {'teacher': (None, None)}
    said = write_demo_page(tmp_path, networks, built, {}, [], {}, None)
    assert said == 'not written: no plotly' and not (tmp_path / 'report.html').exists()
