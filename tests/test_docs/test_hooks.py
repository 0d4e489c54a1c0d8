"""The hooks of pre-commit run what ``make lint`` runs, with what is installed."""

import yaml
from markdown_pages import ROOT


def test_hooks_are_local_and_call_make_lint():
    repos = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    hooks = [hook for repo in repos for hook in repo['hooks']]
    assert {repo['repo'] for repo in repos} == {'local'}
    assert [(hook['language'], hook['entry']) for hook in hooks] == [('system', 'make lint')]


def test_the_site_is_pinned_and_no_run_time_requirement():
    pins = [line for line in (ROOT / 'docs/requirements.txt').read_text().splitlines()
            if line and not line.startswith('#')]  # fmt: skip
    assert pins and all('==' in line for line in pins)
    assert 'mkdocs' not in (ROOT / 'requirements.txt').read_text()
