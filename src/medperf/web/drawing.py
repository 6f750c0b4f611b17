"""Drawing a chart into a file: the same specification as on a page, to SVG, without a browser.

Letters are measured in the font that is shipped with the package, so the same chart is the same
file on every machine.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from medperf.domain.errors import NotInstalledError
from medperf.web.charts.theme import follow_theme

FONTS = Path(__file__).parent / "static" / "fonts"
_VEGA_LITE = "6.4"


def draw(spec: Mapping[str, Any]) -> str:
    """A specification as SVG, in the colors of the light theme.

    Raises:
        NotInstalledError: the library that draws is not installed.
    """
    return _drawn(json.dumps(spec, sort_keys=True))


@lru_cache(maxsize=64)  # a report and its PDF draw the same charts
def _drawn(spec: str) -> str:
    try:
        import vl_convert  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        raise missing("vl-convert-python") from None
    vl_convert.register_font_directory(str(FONTS))
    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)
    return drawn


def draw_for_page(spec: Mapping[str, Any]) -> str:
    """A specification as SVG that follows the light or dark theme of the page around it."""
    return follow_theme(draw(spec))


def spec_for_page(spec: Mapping[str, Any]) -> str:
    """A specification as JSON that follows the theme of the page, safe inside a script element."""
    text = follow_theme(json.dumps(spec, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    return text.replace("<", "\\u003c")


def missing(package: str) -> NotInstalledError:
    """The error that names the extra to install."""
    return NotInstalledError(
        f"{package} is not installed, and reports need it",
        hint="Install the extra: pip install 'medperf[report]'.",
    )
