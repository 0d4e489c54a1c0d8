"""The Markdown files of the repository, rendered: their tables, links, headings and code."""

import re
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ('', 'docs', 'configs/*', 'configs', 'benchmarks', 'studies', 'studies/*', 'studies/*/*')
PAGES = sorted({path for folder in FOLDERS for path in ROOT.glob(f'{folder}/*.md'.lstrip('/'))})
_PARSER = MarkdownIt('commonmark').enable('table')


def faults_of_form(text: str) -> list[str]:
    """Tables that are no tables when rendered, and what GitHub and the site render differently."""
    lines, faults, in_table = text.splitlines(), [], 0
    for token in _PARSER.parse(text):
        in_table += (token.type == 'table_open') - (token.type == 'table_close')
        if token.type == 'inline' and not in_table:
            faults += [f'a row outside of any table: {line}' for line in token.content.splitlines()
                       if line.startswith('|')]  # fmt: skip
        block = token.type in ('table_open', 'bullet_list_open', 'ordered_list_open')
        if block and not token.level:
            first, last = token.map
            if first and lines[first - 1].strip():
                faults.append(f'no empty line before: {lines[first]}')
        if token.type == 'table_open':
            rows = [line for line in lines[first:last] if line.strip()]
            faults += [f'not as many cells as the head: {row}' for row in rows
                       if _cells(row) != _cells(rows[0])]  # fmt: skip
    return faults


def _cells(row: str) -> int:
    return len(re.split(r'(?<!\\)\|', row.strip().strip('|')))


def tables(text: str) -> int:
    """How many tables a text renders to."""
    return _PARSER.render(text).count('<table>')


def links(text: str) -> list[str]:
    """Where a text's links and pictures lead."""
    inlines = [t for t in _PARSER.parse(text) if t.type == 'inline']
    inner = [child for token in inlines for child in token.children]
    return [child.attrs.get('href', child.attrs.get('src')) for child in inner
            if child.type in ('link_open', 'image')]  # fmt: skip


def anchors(text: str) -> set[str]:
    """Anchors of a text's headings, as GitHub and the site make them."""
    tokens, found = _PARSER.parse(text), set()
    for opened, inline in zip(tokens, tokens[1:]):
        if opened.type == 'heading_open':
            title = ''.join(c.content for c in inline.children if c.type in ('text', 'code_inline'))
            found.add(re.sub(r'[^\w\- ]', '', title.lower()).strip().replace(' ', '-'))
    return found


def dead_links(text: str, page: Path) -> list[str]:
    """Relative links of a page that lead to no file, or to no heading of it."""
    dead = []
    for link in links(text):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        known = target.is_file() and (not anchor or anchor in anchors(
            text if target == page else target.read_text()))  # fmt: skip
        if not known:
            dead.append(link)
    return dead


def named_files(text: str) -> dict[str, str]:
    """Python blocks that are files of the reader's, by the first name in the paragraph before."""
    files, before = {}, ''
    for token in _PARSER.parse(text):
        if token.type == 'inline':
            before = token.content
        name = re.search(r'`(\w+\.py)`', before)
        if token.type == 'fence' and token.info == 'python' and name:
            files[name[1]] = token.content
    return files


def python_blocks(text: str) -> list[str]:
    """All Python of a page, block by block."""
    fences = [token for token in _PARSER.parse(text) if token.type == 'fence']
    return [token.content for token in fences if token.info == 'python']


def commands(text: str) -> list[str]:
    """Command lines of the unnamed code blocks, continued lines joined."""
    blocks = [t.content for t in _PARSER.parse(text) if t.type == 'fence' and not t.info]
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    return [line for line in lines if re.match(r'(\w+=\S+ )*(python|bash) ', line)]
