"""Which models an adapter's stage needs beside its dependencies."""

import json
from pathlib import Path

import pytest

from flows.remote.bases import find_bases
from judgeforge.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_adapter(name: str, **settings: str) -> None:
    Path(name).mkdir(parents=True)
    (Path(name) / "adapter_config.json").write_text(json.dumps(settings))


def test_an_adapter_of_an_adapter_needs_both_and_a_whole_model_nothing() -> None:
    write_adapter("models/direct", base_model_name_or_path="models/form")
    write_adapter("models/form", base_model_name_or_path="models/base")
    Path("models/base").mkdir()
    assert find_bases(["data/train", "models/direct"]) == ("models/base", "models/form")
    assert find_bases(["models/base", "data/train"]) == ()


def test_a_base_on_the_hub_does_not_travel() -> None:
    write_adapter("models/direct", base_model_name_or_path="HuggingFaceTB/SmolLM2-135M")
    assert find_bases(["models/direct"]) == ()


def test_adapters_that_name_each_other_end() -> None:
    write_adapter("a", base_model_name_or_path="b")
    write_adapter("b", base_model_name_or_path="a")
    assert find_bases(["a"]) == ("a", "b")


def test_an_adapter_of_nothing_is_refused() -> None:
    write_adapter("models/direct", r="4")
    with pytest.raises(InputError, match=r"models/direct/adapter_config.json names no base"):
        find_bases(["models/direct"])
