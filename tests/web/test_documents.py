import io
import re
import sys
from base64 import b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import boards
import pytest
from pypdf import PdfReader

from medperf.domain.errors import NotInstalledError
from medperf.evidence.leaderboard_page import page
from medperf.web import drawing, html, pdf
from medperf.web.document import Document, Facts, Listing, Paragraph, Section, TableBlock
from medperf.web.figures import Table

HOSTILE = "<img src=x onerror=alert(1)> {{ 7*7 }} #panic()[x] </script>"


def document(text: str = HOSTILE) -> Document:
    blocks = (
        Paragraph(text),
        Facts(((text, text),)),
        Listing((text,)),
        TableBlock(text, Table((text, "n"), ((text, "1"),), numeric=frozenset({1}))),
    )
    return Document(text, text, (Section(text, "one", blocks),), text)


def test_text_of_others_is_never_markup_on_a_page() -> None:
    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"img", "script"}
            assert not any(name.startswith("on") for name, _ in attrs)

    Tags().feed(html.render(document()))
    assert "{{ 7*7 }}" in html.render(document())


def test_text_of_others_is_never_markup_in_a_pdf() -> None:
    text = _text(pdf.render(document(), boards.AS_OF))
    assert "#panic()[x]" in text


def test_a_page_loads_nothing_from_anywhere() -> None:
    text = html.render(page(boards.leaderboard()), live=True)
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=\"(?!#)", markup)
    assert "default-src 'none'" in unescape(text)
    assert "unsafe-eval" not in text


def test_a_page_runs_only_the_scripts_that_its_policy_names() -> None:
    text = html.render(page(boards.leaderboard()), live=True)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 4
    for script in scripts:
        assert f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}" in text


def test_a_page_to_keep_has_no_script() -> None:
    text = html.render(page(boards.leaderboard()))
    assert "<script" not in text
    assert "script-src 'none'" in unescape(text)


def test_pages_and_files_are_the_same_for_the_same_document() -> None:
    made = page(boards.leaderboard())
    assert html.render(made) == html.render(made)
    assert pdf.render(made, boards.AS_OF) == pdf.render(made, boards.AS_OF)


def test_a_pdf_is_tagged_titled_and_says_what_the_page_says() -> None:
    made = pdf.render(page(boards.leaderboard()), boards.AS_OF)
    reader = PdfReader(io.BytesIO(made))
    assert reader.metadata is not None
    assert reader.metadata.title == "Malignant breast mass"
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    text = _text(made)
    for cell in ("Logistic regression", "0.961", "delong-logit/v1", "superior"):
        assert cell in text


def test_every_chart_of_a_page_has_words_and_a_table() -> None:
    text = html.render(page(boards.leaderboard()))
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == 6
    for figure in figures:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', figure)
        assert "<table>" in figure
        assert 'scope="col"' in figure


@pytest.mark.parametrize(
    ("module", "package"),
    [("jinja2", "jinja2"), ("vl_convert", "vl-convert-python"), ("typst", "typst")],
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    html._environment.cache_clear()
    drawing._drawn.cache_clear()
    made = page(boards.leaderboard())
    with pytest.raises(NotInstalledError, match=package) as caught:
        pdf.render(made, boards.AS_OF) if module == "typst" else html.render(made)
    html._environment.cache_clear()
    assert "medperf[report]" in caught.value.advice


def _text(made: bytes) -> str:
    return "".join(each.extract_text() for each in PdfReader(io.BytesIO(made)).pages)
