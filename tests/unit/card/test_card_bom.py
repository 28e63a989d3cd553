"""The bill of materials: valid by the library's own schema, complete, and the same for the same environment."""

import importlib.metadata
import json
from collections.abc import Sequence
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from judgeforge.card.bom import render_bom
from judgeforge.card.facts import Facts
from judgeforge.card.packages import Package, list_packages
from judgeforge.files import hash_file


def make(folder: Path, name: str, *lines: str, address: dict[str, Any] | None = None) -> Distribution:
    """Write a distribution's metadata as installers do, and read it."""
    place = folder / f"{name}-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines]) + "\n"
    )
    if address is not None:
        (place / "direct_url.json").write_text(json.dumps(address))
    return Distribution.at(place)


def list_made(*made: Distribution) -> dict[str, Package]:
    return {each.name: each for each in list_packages(made)}


def validate(text: str) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_it_is_valid_with_this_environment(facts: Facts) -> None:
    text = render_bom(facts, list_packages())
    assert validate(text) is None
    assert validate(text.replace('"type": "library"', '"type": "libary"')) is not None, "the validator looks"


def test_it_names_the_judge_its_parts_and_the_environment(facts: Facts) -> None:
    document = json.loads(render_bom(facts, list_packages()))
    judge = document["metadata"]["component"]
    assert (judge["name"], judge["type"]) == ("our-judge", "machine-learning-model")
    weights = judge["components"][0]
    assert weights["hashes"] == [{"alg": "SHA-256", "content": hash_file(Path("models/merged/model.safetensors"))}]
    found = {each["bom-ref"]: each for each in document["components"]}
    assert found["base"]["purl"].startswith("pkg:huggingface/somebody/model-7b@0123456789abcdef")
    assert found["data/tickets"]["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    assert (found["data/own"]["type"], "licenses" in found["data/own"]) == ("data", False)
    assert {"name": "judgeforge:contents", "value": "m1"} in found["benchmark/mails"]["properties"]
    version = importlib.metadata.version("numpy")
    assert found[f"pkg:pypi/numpy@{version}"]["version"] == version
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert {"base", "data/tickets", "benchmark/mails"} <= set(needs["model"])
    own = next(reference for reference in needs if reference.startswith("pkg:pypi/judgeforge@"))
    assert own in needs["model"] and f"pkg:pypi/numpy@{version}" in needs[own]
    assert any(each.startswith("pkg:pypi/torch@") for each in needs[own]), "through an extra"
    assert set().union(*needs.values()) <= set(needs), "nothing is required that is not listed"


def test_the_model_card_has_figures_with_intervals(facts: Facts) -> None:
    card = json.loads(render_bom(facts, []))["metadata"]["component"]["modelCard"]
    figures = {(each["slice"], each["type"]): each for each in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert figures["mails", "pearson"]["value"] == "0.8"
    assert figures["duels", "position_bias"]["confidenceInterval"] == {"lowerBound": "0.04", "upperBound": "0.16"}
    assert {"ref": "data/tickets"} in card["modelParameters"]["datasets"]


def test_equal_environments_give_equal_bytes_and_others_another_number(facts: Facts) -> None:
    packages = [Package("a", "1.0", None, None), Package("b", "2.0", "MIT", "text", requires=("a",))]
    first, second = render_bom(facts, packages), render_bom(facts, packages)
    assert first == second
    assert "timestamp" not in first
    other = render_bom(facts, packages[:1])
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: other"], "MIT OR Apache-2.0"),
        (["License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"], "BSD-3-Clause"),
        (["License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License"], "MIT License"),
        (["License: Copyright (c) 2020 X", "Classifier: License :: OSI Approved :: MIT License"], "MIT License"),
        (["License: a", "        b", "Classifier: License :: OSI Approved"], None),
        ([], None),
    ],
)
def test_licences_are_read_as_they_are_stated(tmp_path: Path, lines: Sequence[str], licence: str | None) -> None:
    assert list_made(make(tmp_path, "thing", *lines))["thing"].licence == licence


def test_every_way_of_stating_a_licence_is_valid(facts: Facts) -> None:
    stated = ["MIT", "MIT OR Apache-2.0", "MIT License", "my own <terms>", None]
    packages = [Package(f"p{number}", "1", text, None) for number, text in enumerate(stated)]
    text = render_bom(facts, packages)
    assert validate(text) is None
    found = {each["name"]: each.get("licenses") for each in json.loads(text)["components"]}
    assert found["p0"] == [{"license": {"id": "MIT"}}]
    assert found["p1"] == [{"expression": "MIT OR Apache-2.0"}]
    assert (found["p3"], found["p4"]) == ([{"license": {"name": "my own <terms>"}}], None)


def test_requirements_follow_markers_and_the_extras_that_are_asked_for(tmp_path: Path) -> None:
    main = make(tmp_path, "Main_Thing", "Requires-Dist: side[fast]>=1", 'Requires-Dist: gone; python_version < "3"')
    side = make(
        tmp_path,
        "side",
        "Provides-Extra: fast",
        "Provides-Extra: slow",
        'Requires-Dist: quick; extra == "fast"',
        'Requires-Dist: slack; extra == "slow"',
    )
    others = [make(tmp_path, name) for name in ("quick", "slack", "gone")]
    found = list_made(main, side, *others)
    assert found["main-thing"].requires == ("side",)
    assert found["side"].requires == ("quick",)


def test_digests_are_those_that_the_installer_kept(tmp_path: Path, facts: Facts) -> None:
    hashes = {"sha256": "0" * 64, "unheard-of": "1"}
    kept = make(tmp_path, "kept", address={"url": "file:///x", "archive_info": {"hashes": hashes}})
    editable = make(tmp_path, "editable", address={"url": "file:///x", "dir_info": {"editable": True}})
    found = list_made(kept, editable)
    assert (found["kept"].hashes, found["editable"].hashes) == (hashes, {})
    text = render_bom(facts, list(found.values()))
    assert validate(text) is None
    library = next(each for each in json.loads(text)["components"] if each["name"] == "kept")
    assert library["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
