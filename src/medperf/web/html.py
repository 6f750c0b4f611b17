"""A document as one page that needs nothing else: no server, no network, no script to be read.

Charts are drawn into the page. With ``live`` the page also holds Vega, which draws the same
specifications again where scripts may run, so that marks tell their numbers when pointed at. The
page's own policy allows these scripts by their digests and nothing from elsewhere.
"""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from medperf.domain.errors import MalformedFileError
from medperf.web.charts.theme import css_variables
from medperf.web.document import (
    Block,
    Document,
    Facts,
    Figure,
    Listing,
    Notice,
    Paragraph,
    TableBlock,
)
from medperf.web.drawing import draw_for_page, missing, spec_for_page

_HERE = Path(__file__).parent
_SCRIPTS = (
    "vega/vega.min.js",
    "vega/vega-lite.min.js",
    "vega/vega-embed.min.js",
    "live-charts.js",
)
_KINDS: dict[type[Block], str] = {
    Paragraph: "paragraph",
    Notice: "notice",
    Facts: "facts",
    Listing: "listing",
    TableBlock: "table",
    Figure: "figure",
}


def render(document: Document, *, live: bool = False) -> str:
    """Write the page; the same document gives the same bytes.

    Raises:
        NotInstalledError: the libraries that write and draw are not installed.
    """
    template = _environment().get_template("document.html")
    scripts = [static_text(name) for name in _SCRIPTS] if live else []
    written: str = template.render(
        document=document,
        style=f":root{{{css_variables()}}}\n" + static_text("medperf.css"),
        scripts=scripts,
        specs=[(chart.name, spec_for_page(chart.spec)) for chart in document.charts()]
        if live
        else [],
        policy=_policy(scripts),
    )
    return written


@cache
def static_text(name: str) -> str:
    """A file of the package that goes inside a page.

    Raises:
        MalformedFileError: if it would end the element it stands in.
    """
    text = (_HERE / "static" / name).read_text(encoding="utf-8")
    if "</script" in text or "</style" in text:
        raise MalformedFileError(f"{name} cannot stand inside a page")
    return text


def _policy(scripts: list[str]) -> str:
    digests = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src {digests}; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _environment() -> Any:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - an extra
        from markupsafe import Markup  # noqa: PLC0415
    except ImportError:
        raise missing("jinja2") from None
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = lambda block: _KINDS[type(block)]
    # Drawn by our own library from a specification, so no text of others is markup in it.
    environment.filters["drawn"] = lambda chart: Markup(draw_for_page(chart.spec))  # noqa: S704
    environment.filters["trusted"] = Markup
    return environment
