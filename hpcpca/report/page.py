"""A page of HTML that stands alone: figures are SVG in it, and nothing is loaded from elsewhere."""

from dataclasses import dataclass, field
from html import escape
from importlib.resources import files

from .canvas import Inline, canvas


@dataclass(frozen=True)
class Figure:
    """A figure of one pair of axes: ``draw(axis)``; ``size`` in inches."""

    caption: str
    draw: object
    size: tuple = (5.0, 3.7)


@dataclass(frozen=True)
class Table:
    """A table; cells are text, and those of columns in ``texts`` are words, no numbers. Narrow
    screens have no room for columns ``spare``.
    """

    head: tuple
    rows: list
    caption: str = ""
    texts: tuple = (0,)
    spare: tuple = ()


@dataclass(frozen=True)
class Words:
    """Terms, and what they mean: [(term, meaning)]."""

    terms: list


@dataclass(frozen=True)
class Code:
    """Lines as they are typed, or stand in a file."""

    lines: list


@dataclass(frozen=True)
class Section:
    """What stands below a title: paragraphs (str), lists of ``Figure``, and the others above."""

    title: str
    blocks: list = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """All of a report: ``facts`` are [(name, value)], ``outcome`` a word and whether it is good."""

    title: str
    path: str
    outcome: tuple
    lead: list
    facts: list
    sections: list


def render(page):
    """Return the page as text; raise PlatformError where there is no matplotlib."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    word, is_good = page.outcome
    kept = Inline()
    body = [
        f"<h1>{escape(page.title)}</h1>",
        f'<p class="path">{escape(_shown(page.path))}',
        f'<span class="chip {"good" if is_good else "odd"}">{escape(word)}</span></p>',
        *(f"<p>{escape(text)}</p>" for text in page.lead),
        '<div class="facts">',
        *(
            f'<div><span class="name">{escape(name)}</span>'
            f'<span class="value">{escape(value)}</span></div>'
            for name, value in page.facts
        ),
        "</div>",
    ]
    for section in page.sections:
        body.append(f"<h2>{escape(section.title)}</h2>")
        body += [_block(block, kept) for block in section.blocks]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(page.title)}: {escape(_shown(page.path))}</title>",
            f"<style>\n{style}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        ]
    )


def _shown(path):
    """A path as text: bytes that are none are spelled out."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _block(block, kept):
    if isinstance(block, str):
        return f"<p>{escape(block)}</p>"
    return {list: _figures, Table: _table, Words: _words, Code: _code}[type(block)](block, kept)


def _figures(figures, kept):
    small = " small" if figures and figures[0].size[0] < 4 else ""
    lines = [f'<div class="figures{small}">']
    for figure in figures:
        with canvas(kept, 1, 1, figure.size) as axes:
            figure.draw(axes[0, 0])
        svg = kept[-1].replace(
            "<svg ", f'<svg role="img" aria-label="{escape(figure.caption)}" ', 1
        )
        width = f"max-width: {figure.size[0] * 1.15:.1f}in"
        caption = f"<figcaption>{escape(figure.caption)}</figcaption>"
        lines.append(f'<figure style="{width}">{svg}{caption}</figure>')
    return "\n".join([*lines, "</div>"])


def _table(table, _):
    def name(number):
        names = [*["text"] * (number in table.texts), *["spare"] * (number in table.spare)]
        return f' class="{" ".join(names)}"' if names else ""

    def cells(kind, words):
        return "".join(
            f"<{kind}{name(number)}>{escape(word)}</{kind}>" for number, word in enumerate(words)
        )

    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    rows = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in table.rows)
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{cells("th", table.head)}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _words(words, _):
    terms = (f"<dt>{escape(t)}</dt><dd>{escape(m)}</dd>" for t, m in words.terms)
    return '<dl class="words">' + "\n".join(terms) + "</dl>"


def _code(code, _):
    return f"<pre>{escape(_shown(chr(10).join(code.lines)))}</pre>"
