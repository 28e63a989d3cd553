"""The page of real size in headless Chromium: nothing on the console, nothing wider than a phone, nothing cut off.

Chromium makes no window narrower than 500 px; a phone is a frame of its width.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from large_evaluation import GUESTS

from judgeforge.report.comparison import compute_differences
from judgeforge.report.figures import find_figure
from judgeforge.report.numbers import format_cell
from judgeforge.report.page import render_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PDFTOTEXT = shutil.which("pdftotext")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (on Debian: apt install chromium)")
MEASURE = """<!doctype html><title>none</title><body style="margin:0">
<iframe id="phone" style="border:0; width:WIDTHpx; height:900px" srcdoc="PAGE"></iframe>
<script>
phone.onload = () => {
  const page = phone.contentDocument, width = phone.contentWindow.innerWidth;
  page.querySelectorAll("details").forEach(each => { each.open = true; });
  const seen = each => each.getBoundingClientRect();
  const outside = [...page.querySelectorAll("body *")].filter(
    each => !each.closest(".scroll") && (seen(each).right > width + 1 || seen(each).left < -1));
  const firsts = [...page.querySelectorAll("td:first-child:not([colspan])")].map(each => seen(each).width / width);
  const scrolls = [...page.querySelectorAll(".scroll")];
  const found = {
    width, scrolled: page.documentElement.scrollWidth,
    outside: outside.map(each => each.outerHTML.slice(0, 120)),
    widest_first: Math.max(...firsts),
    hidden_chips: [...page.querySelectorAll(".origin")].filter(each => !seen(each).height).length,
    chips: page.querySelectorAll(".origin").length,
    captions: [...page.querySelectorAll("caption > span")].filter(each => seen(each).width > width).length,
    first_figures: scrolls.filter(each => {
      const cell = each.querySelector("tbody tr:not(.part) td:nth-child(2)");
      return cell && seen(cell).left > seen(each).right - 20;
    }).length,
  };
  document.title = JSON.stringify(found);
};
</script>"""


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=4000", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def list_console(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.fixture(scope="module")
def page(large, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(large, compute_differences(large)))
    return path


def test_the_console_stays_empty_and_would_show_an_error(page: Path, tmp_path: Path) -> None:
    assert list_console(browse(page, "--dump-dom")) == []
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</body>", "<script>undefined_name()</script></body>"))
    assert list_console(browse(broken, "--dump-dom"))


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window_or_hidden_behind_a_name(page: Path, tmp_path: Path, width: int) -> None:
    measured = tmp_path / "measured.html"
    measured.write_text(MEASURE.replace("WIDTH", str(width)).replace("PAGE", html.escape(page.read_text())))
    shown = re.search(r"<title>(.*?)</title>", browse(measured, "--dump-dom", "--window-size=1400,900").stdout)
    found = json.loads(html.unescape(shown[1]))
    assert found["width"] == width
    assert (found["scrolled"] <= width, found["outside"]) == (True, [])
    assert found["widest_first"] < 0.5
    assert found["chips"] > 20 and found["hidden_chips"] == 0
    assert (found["captions"], found["first_figures"]) == (0, 0)


def test_dark_can_be_pictured(page: Path, tmp_path: Path) -> None:
    browse(page, f"--screenshot={tmp_path / 'page.png'}", "--force-dark-mode")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed (on Debian: apt install poppler-utils)")
def test_print_cuts_off_no_column_and_opens_what_is_folded(page: Path, large, tmp_path: Path) -> None:
    browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    command = [PDFTOTEXT, "-layout", str(tmp_path / "page.pdf"), "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    last = large.names[-1]
    row = next(line for line in lines if line.split()[:1] == ["direct"] and "%" in line)
    direct = next(each for each in large.evaluations if each.judge == "direct")
    assert row.split()[-1] == format_cell(find_figure(direct, last, "accuracy"), "accuracy")
    text = "\n".join(lines)
    assert "triples" in text, "in the last columns of all measures, which are folded on the screen"
    assert any(GUESTS[0][:12] in line for line in lines)
