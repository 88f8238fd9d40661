"""Search weight of every page of the documentation, and the version on the first page, set while it is built."""

from pathlib import Path
from typing import Any

_BOOSTS = {"index": 4, "guides": 8, "concepts": 1, "reference": 0.4, "decisions": 0.2}
"""Search weight of a page by its folder: how to do something comes before how it is made, and why."""


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Set the weight of a page, by the first part of its path, and put the version in the place of ``VERSION``."""
    place = page.file.src_uri.partition("/")[0].removesuffix(".md")
    boost = 4 if page.file.src_uri == "reference/options.md" else _BOOSTS.get(place, 1)
    page.meta.setdefault("search", {"boost": boost})
    return markdown.replace("VERSION", _version()) if place == "index" else markdown


def _version() -> str:
    source = (Path(__file__).resolve().parents[1] / "hsuanwu" / "__init__.py").read_text("utf-8")
    return source.partition('__version__ = "')[2].partition('"')[0]
