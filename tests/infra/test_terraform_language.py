"""What can be said of infra/terraform without applying it: format, validity, its own tests, names, and checkov."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from rented import CHECKOV, ENVIRONMENT, INFRA, ROOT, Site, clean_environment, require_infra
from terraformed import make_root, terraform

MODULES = (
    "modules/gpu_runner/machine",
    "modules/gpu_runner/aws",
    "modules/flow_policy",
    "runner",
    "examples/multi_node",
)
NAMES_CHECK = ROOT.parent / "shared" / "terraform" / "newest_provider_names.py"
# What HCL's own grammar puts beside the provider's arguments.
META = {"for_each", "count", "depends_on", "lifecycle", "provider", "provisioner", "connection"}


@pytest.fixture(autouse=True)
def _needs_infra() -> None:
    require_infra()


@pytest.fixture
def plain_copy(tmp_path: Path) -> Path:
    target = tmp_path / "terraform"
    shutil.copytree(INFRA, target, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return target


def test_the_format_is_terraforms() -> None:
    terraform(INFRA, "fmt", "-check", "-recursive", "-diff")


@pytest.mark.parametrize("module", MODULES)
def test_it_is_valid_and_warns_of_nothing(module: str, plain_copy: Path) -> None:
    terraform(plain_copy / module, "init", "-backend=false")
    found = json.loads(terraform(plain_copy / module, "validate", "-json").stdout)
    assert found["diagnostics"] == []


@pytest.mark.parametrize(("module", "least"), [("modules/gpu_runner/machine", 18), ("modules/gpu_runner/aws", 25)])
def test_terraforms_own_tests_pass(module: str, least: int, plain_copy: Path) -> None:
    terraform(plain_copy / module, "init", "-backend=false")
    lines = terraform(plain_copy / module, "test", "-json").stdout.splitlines()
    (summary,) = [each["test_summary"] for each in map(json.loads, lines) if each["type"] == "test_summary"]
    assert summary["status"] == "pass" and summary["passed"] >= least


def test_every_variable_and_output_says_what_it_is() -> None:
    for path in sorted(INFRA.rglob("*.tf")):
        for block in path.read_text().split("\n}\n"):
            head = block.strip().splitlines()[0] if block.strip() else ""
            if head.startswith(("variable ", "output ")):
                assert "  description" in block, f"{path}: {head}"


def test_the_root_takes_what_the_module_takes() -> None:
    names = {
        folder: {
            line.split('"')[1]
            for line in (INFRA / folder / "variables.tf").read_text().splitlines()
            if line[:9] == "variable "
        }
        for folder in ("runner", "modules/gpu_runner/aws")
    }
    assert names["runner"] == names["modules/gpu_runner/aws"]


def check_names(plan: Path) -> None:
    if not NAMES_CHECK.is_file():
        pytest.skip(f"the check of names is not at {NAMES_CHECK}")
    command = [ENVIRONMENT / "bin" / "python", NAMES_CHECK, plan, ENVIRONMENT / "aws-names"]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok " in done.stdout


@pytest.mark.parametrize("mode", ["group", "instance"])
def test_the_newest_provider_knows_the_arguments(mode: str, infra: Path, site: Site, tmp_path: Path) -> None:
    root = make_root(infra, site.variables(mode=mode, machines=1, spot=False))
    root.run("plan", "-out=names.plan")
    plan = tmp_path / "plan.json"
    plan.write_text(root.run("show", "-json", "names.plan").stdout)
    check_names(plan)


READ_HCL = """
import json, sys, hcl2
print(json.dumps([hcl2.load(open(path)) for path in sys.argv[1:]]))
"""


def as_expressions(body: object, top: bool = False) -> object:
    """Turn a block as checkov's parser reads it into what a plan's configuration looks like."""
    if isinstance(body, dict):
        kept = {name: value for name, value in body.items() if not name.startswith("__") and not (top and name in META)}
        for dynamic in kept.pop("dynamic", ()):
            for name, block in dynamic.items():
                kept[name] = [*kept.get(name, ()), *block["content"]]
        found = {name: as_expressions(value) for name, value in kept.items()}
        return {name: value or {"constant_value": None} for name, value in found.items()}
    if isinstance(body, list):
        blocks = [each for each in body if isinstance(each, dict)]
        return [as_expressions(each) for each in blocks] if blocks else {"constant_value": body}
    return {"constant_value": body}


def test_the_newest_provider_knows_the_arguments_of_the_buckets(tmp_path: Path) -> None:
    if not CHECKOV.is_file():
        pytest.skip("there is no .venv-checkov: make setup-infra")
    files = sorted(str(path) for path in (INFRA / "state").glob("*.tf"))
    read = subprocess.run(
        [CHECKOV.with_name("python"), "-c", READ_HCL, *files], text=True, capture_output=True, check=True
    )
    resources = [
        {"mode": mode, "type": kind, "address": f"{kind}.{name}", "expressions": as_expressions(body, top=True)}
        for document in json.loads(read.stdout)
        for mode, section in (("managed", "resource"), ("data", "data"))
        for block in document.get(section, ())
        for kind, named in block.items()
        for name, body in named.items()
    ]
    assert len(resources) == 12
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"configuration": {"root_module": {"resources": resources}}}))
    check_names(plan)


def test_checkov_finds_nothing() -> None:
    if not CHECKOV.is_file():
        pytest.skip("there is no .venv-checkov: make setup-infra")
    command = [CHECKOV, "--directory", INFRA, "--framework", "terraform", "--skip-download", "--output", "json"]
    done = subprocess.run(
        [*command, "--compact", "--quiet", "--skip-path", "tests"],
        env=clean_environment(BC_API_KEY=""),
        text=True,
        capture_output=True,
        check=False,
    )
    found = json.loads(done.stdout)
    failed = [
        f"{each['check_id']} {each['check_name']}: {each['resource']}" for each in found["results"]["failed_checks"]
    ]
    assert failed == [] and found["summary"]["parsing_errors"] == 0 and found["summary"]["passed"] > 50
    assert all(each["check_result"]["suppress_comment"] for each in found["results"].get("skipped_checks", ()))
