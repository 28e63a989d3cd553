"""The data report in headless Chromium: nothing on the console, nothing wider than the window, pictures and print."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from data_report import build_checked, build_findings, build_statistics

from judgeforge.prepare.quality import render_data_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (on Debian: apt install chromium)")
# A frame can be as narrow as a phone; a window cannot.
FRAME = """<body style="margin:0">
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
document.querySelector("iframe").onload = event => {{
  const inner = event.target.contentWindow, root = inner.document.documentElement;
  const wide = [...inner.document.querySelectorAll("body *")].filter(
    each => !each.closest(".scroll") && each.getBoundingClientRect().right > root.clientWidth + 1);
  document.title = `${{inner.innerWidth}} ${{root.scrollWidth}} ${{wide.length}}`;
}};
</script></body>"""


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=2000", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checked = build_checked()
    path = tmp_path_factory.mktemp("page") / "data.html"
    path.write_text(render_data_page(build_statistics(checked), build_findings(checked)))
    return path


def test_the_console_stays_empty(page: Path) -> None:
    done = browse(page, "--dump-dom")
    assert [line for line in done.stderr.splitlines() if ":CONSOLE" in line] == []
    assert "Data report" in done.stdout


def measure(text: str, folder: Path, width: int) -> tuple[int, int, int]:
    measured = folder / "measured.html"
    measured.write_text(FRAME.format(width=width, page=text.replace("&", "&amp;").replace('"', "&quot;")))
    done = browse(measured, "--dump-dom", "--window-size=1400,900")
    inner, scrolled, wide = map(int, re.search(r"<title>(\d+) (\d+) (\d+)</title>", done.stdout).groups())
    return inner, scrolled, wide


@pytest.mark.parametrize("width", [320, 390, 820, 1280])
def test_nothing_is_wider_than_the_window(page: Path, tmp_path: Path, width: int) -> None:
    inner, scrolled, wide = measure(page.read_text(), tmp_path, width)
    assert (inner, wide) == (width, 0)
    assert scrolled <= width


def test_what_is_wider_would_be_found(page: Path, tmp_path: Path) -> None:
    broken = page.read_text().replace("<main>", '<main><div style="width:500px">wide</div>')
    _, scrolled, wide = measure(broken, tmp_path, 390)
    assert scrolled > 390
    assert wide == 1


@pytest.mark.parametrize("options", [("--blink-settings=preferredColorScheme=0",), ("--window-size=390,844",)])
def test_it_can_be_pictured_and_printed(page: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    browse(page, f"--screenshot={tmp_path / 'page.png'}", *options)
    browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}", *options)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
