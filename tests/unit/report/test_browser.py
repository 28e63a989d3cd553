"""The page in headless Chromium: nothing on the console, nothing from outside, nothing wider than a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from small_evaluation import load, write_inputs

from judgeforge.report.comparison import compute_differences
from judgeforge.report.page import render_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (on Debian: apt install chromium)")
MEASURE = """<script>
const wide = [...document.querySelectorAll("body *")].filter(
  each => !each.closest(".scroll") && each.getBoundingClientRect().right > innerWidth + 1);
document.title = `${innerWidth} ${document.documentElement.scrollWidth} ${wide.length}`;
</script></body>"""


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=2000", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def list_console(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_inputs(folder)
    sources = load(folder)
    path = folder / "report.html"
    path.write_text(render_page(sources, compute_differences(sources)))
    return path


def test_the_console_stays_empty_and_would_show_an_error(page: Path, tmp_path: Path) -> None:
    assert list_console(browse(page, "--dump-dom")) == []
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</body>", "<script>undefined_name()</script></body>"))
    assert list_console(browse(broken, "--dump-dom"))


@pytest.mark.parametrize("width", [500, 1280])
def test_nothing_is_wider_than_the_window(page: Path, tmp_path: Path, width: int) -> None:
    measured = tmp_path / "measured.html"
    measured.write_text(page.read_text().replace("</body>", MEASURE))
    done = browse(measured, "--dump-dom", f"--window-size={width},900")
    inner, scrolled, wide = map(int, re.search(r"<title>(\d+) (\d+) (\d+)</title>", done.stdout).groups())
    assert inner <= width and scrolled <= inner and wide == 0


@pytest.mark.parametrize("options", [("--force-dark-mode",), ("--window-size=390,844",)], ids=["dark", "phone"])
def test_it_can_be_pictured_and_printed(page: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    browse(page, f"--screenshot={tmp_path / 'page.png'}", *options)
    browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}", *options)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
