"""Sizes, names and places: what keeps the tree readable, checked on every tracked file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("src", "flows", "scripts", "benchmarks", "examples")
MOST_LINES, MOST_TEST_LINES, MOST_FUNCTION_LINES = 250, 400, 50


def list_tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def list_python(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def list_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def describe(path: Path) -> str:
    return str(path.relative_to(ROOT))


# params.py is a table of types with their meaning: one file is easier to look up than several.
EXCEPTIONS = {"src/judgeforge/params.py": 400}


@pytest.mark.parametrize(("folders", "most"), [(CODE, MOST_LINES), (["tests"], MOST_TEST_LINES)])
def test_files_are_short(folders: Sequence[str], most: int) -> None:
    lengths = {describe(path): len(path.read_text().splitlines()) for path in list_python(*folders)}
    assert {name: lines for name, lines in lengths.items() if lines > EXCEPTIONS.get(name, most)} == {}


def test_functions_are_short() -> None:
    long = {
        f"{describe(path)}:{name}": lines
        for path in list_python(*CODE, "tests")
        for name, lines in list_functions(path)
        if lines > MOST_FUNCTION_LINES
    }
    assert long == {}


def test_no_file_is_named_after_nothing() -> None:
    vague = re.compile(r"(^|_)(utils?|common|helpers?|managers?|misc)(_|$)")
    assert [describe(path) for path in list_python(*CODE, "tests") if vague.search(path.stem)] == []


def test_weights_and_data_are_never_unpickled_and_models_bring_no_code() -> None:
    forbidden = re.compile(
        r"^\s*(import|from) (pickle|dill|cloudpickle|joblib)\b|torch\.load\(|trust_remote_code=True|yaml\.load\(", re.M
    )
    assert [describe(path) for path in list_python(*CODE) if forbidden.search(path.read_text())] == []


def test_no_tracked_file_names_a_machine_path_or_a_package_host() -> None:
    # Pieced together, so that this file does not find itself.
    places = [
        "/" + "root/",
        "/" + "home/",
        "/" + "work/",
        "/" + "opt/",
        "/" + "Users/",
        "pypi" + ".org",
        "python" + "hosted",
    ]
    pattern = re.compile("|".join(re.escape(place) for place in places))
    hits = [
        f"{describe(path)}:{number}"
        for path in list_tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert hits == []


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("constraints", "torch"),
        ("constraints-vllm", "vllm"),
        ("constraints-examples", "prometheus-eval"),
        ("constraints-infra", "moto"),
        ("constraints-checkov", "checkov"),
    ],
)
def test_constraints_hold_versions_only(name: str, package: str) -> None:
    lines = [line for line in (ROOT / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    assert package in {line.partition("==")[0] for line in lines}


def test_no_two_constraints_pin_different_versions() -> None:
    found: dict[str, set[str]] = {}
    # checkov stands alone in its environment, and wants older versions than everything else.
    for path in set(ROOT.glob("constraints*.txt")) - {ROOT / "constraints-checkov.txt"}:
        for line in path.read_text().splitlines():
            name, separator, version = line.partition("==")
            if separator and re.fullmatch(r"[A-Za-z0-9._-]+", name):
                found.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


HEAVY = [
    "accelerate",
    "deepspeed",
    "dvc",
    "hydra",
    "mergekit",
    "mlflow",
    "peft",
    "polars",
    "prefect",
    "scipy",
    "torch",
    "transformers",
]
SCRIPT = """
import sys
import judgeforge
import judgeforge.cli
try:
    {program}
except SystemExit as stop:
    assert not stop.code
loaded = sorted(set({heavy}) & set(sys.modules))
sys.exit("loaded: " + " ".join(loaded) if loaded else 0)
"""


@pytest.mark.parametrize("program", ["pass", "sys.argv = ['judgeforge', '--help']; judgeforge.cli.main()"])
def test_neither_the_package_nor_its_help_loads_anything_heavy(program: str) -> None:
    script = SCRIPT.format(program=program, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
