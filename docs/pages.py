"""What is done to each page of the documentation as it is built: search weight, version, words of code kept whole."""

import re
from pathlib import Path
from typing import Any

_BOOSTS = {"index": 4, "guides": 8, "concepts": 1, "reference": 0.4, "decisions": 0.2}
"""Search weight of a page by its folder: how to do something comes before how it is made, and why."""

_INLINE_CODE = re.compile(r"(?<=<code>)[^<\n]*-[^<\n]*(?=</code>)")
_WORD = re.compile(r"(?<!\S)(?=\S*-)\S{1,40}(?!\S)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Set the weight of a page, by the first part of its path, and put the version in the place of ``VERSION``."""
    place = page.file.src_uri.partition("/")[0].removesuffix(".md")
    boost = 4 if page.file.src_uri == "reference/options.md" else _BOOSTS.get(place, 1)
    page.meta.setdefault("search", {"boost": boost})
    return markdown.replace("VERSION", _version()) if place == "index" else markdown


def on_page_content(html: str, **_: Any) -> str:
    """Keep the words of inline code whole: browsers break lines after a hyphen."""
    return _INLINE_CODE.sub(lambda code: _WORD.sub(r'<span class="whole">\g<0></span>', code[0]), html)


def _version() -> str:
    source = (Path(__file__).resolve().parents[1] / "hsuanwu" / "__init__.py").read_text("utf-8")
    return source.partition('__version__ = "')[2].partition('"')[0]
