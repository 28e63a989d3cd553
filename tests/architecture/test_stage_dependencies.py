"""Each DVC stage depends on all the code it runs: otherwise DVC says "up to date" over stale results."""

import re
import shlex
from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]

CANNOT_CHANGE_A_RESULT = {
    "judgeforge": "holds the version alone",
    "judgeforge.errors": "what a person reads when a stage fails",
    "judgeforge.lineage": "commit and digests, for the record",
    "judgeforge.params": "types; the values are tracked by DVC's params",
    "judgeforge.progress": "what a person sees while a stage runs",
    "judgeforge.servers": "addresses of servers that record",
    "judgeforge.stage": "options and exit codes",
    "judgeforge.tracking": "records what happened",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("judgeforge", cache_dir=None)


def find_package(entry: dict) -> str:
    program, flag, module = shlex.split(entry["cmd"])[:3]
    assert (program, flag) == ("python", "-m")
    return module


def list_code(graph: grimp.ImportGraph, package: str) -> set[str]:
    """List the package's modules and all that they import, at the top of a file or within a function."""
    own = {package, *graph.find_descendants(package)}
    return own | graph.find_upstream_modules(package, as_package=True)


def is_exempt(module: str) -> bool:
    return any(
        module == name or (name != "judgeforge" and module.startswith(f"{name}.")) for name in CANNOT_CHANGE_A_RESULT
    )


def find_file(module: str) -> Path:
    path = ROOT / "src" / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def list_code_deps(entry: dict) -> list[Path]:
    return [ROOT / dep for dep in entry["deps"] if dep.startswith("src/")]


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_import_closure(stage: str, graph: grimp.ImportGraph) -> None:
    entry = STAGES[stage]
    deps = list_code_deps(entry)
    files = {find_file(module) for module in list_code(graph, find_package(entry)) if not is_exempt(module)}
    missing = {str(file.relative_to(ROOT)) for file in files if not any(file.is_relative_to(dep) for dep in deps)}
    assert not missing, f"add to the deps of {stage} in dvc.yaml: {sorted(missing)}"


@pytest.mark.parametrize("stage", STAGES)
def test_no_dep_is_code_that_the_stage_does_not_run(stage: str, graph: grimp.ImportGraph) -> None:
    entry = STAGES[stage]
    files = {find_file(module) for module in list_code(graph, find_package(entry))}
    needless = [
        str(dep.relative_to(ROOT)) for dep in list_code_deps(entry) if not any(f.is_relative_to(dep) for f in files)
    ]
    assert not needless, f"these re-run {stage} for nothing: {needless}"


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_the_sections_that_the_package_loads(stage: str) -> None:
    entry = STAGES[stage]
    folder = ROOT / "src" / Path(*find_package(entry).split("."))
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    loaded = set(re.findall(r"load_section\(\s*\"(\w+)\"", source))
    assert loaded == {name.split(".")[0] for name in entry["params"]}
