"""Hook of MkDocs: the site is laid out like the repository, so that every relative link holds.

Pages are the Markdown files of the repository; what they link to (pictures, configs, results) is
copied beside them. A link that leads nowhere is a warning, and ``make docs`` builds with --strict.
"""

from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ('*.md', 'docs/*.md', 'configs/**/*.md', 'benchmarks/**/*.md', 'studies/**/*.md')
LINKED = (
    'docs/*.png', 'configs/**/*.py',
    'studies/**/*.json', 'studies/**/*.svg', 'studies/**/*.toml',
    'LICENSE', 'NOTICE', 'CITATION.cff',
)  # fmt: skip


def on_files(files: Files, config) -> Files:
    """Replace the files of ``docs`` by those of the repository, under their paths in it."""
    docs = ROOT / 'docs'
    theme = [f for f in files if not Path(f.abs_src_path or '').is_relative_to(docs)]
    return Files(theme + [
        File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path))
        for pattern in PAGES + LINKED for path in sorted(ROOT.glob(pattern))
    ])  # fmt: skip
