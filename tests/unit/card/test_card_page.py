"""The card as a page: self-contained, and in a browser neither wider than a phone nor with errors."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from judgeforge.card.places import Places
from judgeforge.card.write import write_card

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (on Debian: apt install chromium)"
)
MEASURE = """<!doctype html><title>none</title><body style="margin:0">
<iframe id="phone" style="border:0; width:390px; height:900px" srcdoc="PAGE"></iframe>
<script>
phone.onload = () => {
  const page = phone.contentDocument, width = phone.contentWindow.innerWidth;
  const seen = each => each.getBoundingClientRect();
  const outside = [...page.querySelectorAll("body *")].filter(
    each => !each.closest(".scroll, pre") && (seen(each).right > width + 1 || seen(each).left < -1));
  document.title = JSON.stringify({scrolled: page.documentElement.scrollWidth, outside: outside.map(
    each => each.outerHTML.slice(0, 120))});
};
</script>"""


@pytest.fixture
def page(places: Places) -> Path:
    write_card(places, Path("card"))
    return Path("card/card.html").resolve()


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=4000", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_nothing_comes_from_outside_and_no_script_runs(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"<(script|iframe|object|embed|img|form|base)\b|<link(?! rel=\"icon\" href=\"data:,\")", text)
    assert not re.search(r"\b(src|srcset)=|url\(|@import", text)
    # Whatever is linked: other parts of this page, and files beside it.
    assert all(
        re.match(r"(#\w+|data_card\.md|sbom\.cdx\.json|data:,)$", to) for to in re.findall(r'href="([^"]*)"', text)
    )


def test_sections_tables_and_plots_are_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r'<a href="#(\w+)"', text):
        assert f'<section id="{name}">' in text
    assert text.count("<table>") == text.count('<div class="scroll"')
    assert text.count('class="plot"') == 3, "two main measures, and one leaning"
    assert re.search(r'<div class="row subject">\s*<span class="label">merged</span>', text)


@needs_browser
def test_it_fits_a_phone_and_the_console_stays_empty(page: Path, tmp_path: Path) -> None:
    assert [line for line in browse(page, "--dump-dom").stderr.splitlines() if ":CONSOLE" in line] == []
    measured = tmp_path / "measured.html"
    measured.write_text(MEASURE.replace("PAGE", html.escape(page.read_text())))
    shown = re.search(r"<title>(.*?)</title>", browse(measured, "--dump-dom", "--window-size=1400,900").stdout)
    found = json.loads(html.unescape(shown[1]))
    assert (found["scrolled"] <= 390, found["outside"]) == (True, [])
