"""Turn formulas into MathML while the documentation is built: browsers draw it without a script of another host."""

import html
import re
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.+?)\\[)\]]</\1>', re.DOTALL)
_SOURCE = re.compile(r'class="arithmatex"|math::|:math:')


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Return a page whose formulas, as pymdownx.arithmatex has marked them, are MathML."""
    content = _FORMULA.sub(_mathml, content)
    if left := _SOURCE.search(content):
        raise PluginError(f"{page.file.src_path}: a formula was left as source: {content[left.start() :][:100]!r}")
    return content


def _mathml(found: re.Match[str]) -> str:
    return convert(html.unescape(found[3]).strip(), display="block" if found[2] == "[" else "inline")
