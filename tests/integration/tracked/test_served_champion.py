"""``judgeforge serve`` follows the registry's champion, in a real store, while it is asked."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from judgeforge.base.miniature import build_miniature
from judgeforge.files import write_json
from judgeforge.grading.templates import write_template
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.ledger import Entry
from judgeforge.promote.registry import JudgeVersion, Registry
from tests.integration.serving.conftest import ROOT, RUBRIC, Service, read_load

NAME = "served-judge"


def build_adapter(folder: Path, base: Path, seed: int) -> None:
    """Build an adapter of a base that is not where it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    adapted.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    written = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", written | {"base_model_name_or_path": "on/another/machine"})


def shorten_context(folder: Path) -> None:
    """Make a judge that params.yaml does not allow to be loaded."""
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"max_position_embeddings": 16})


@pytest.fixture
def register(store: Any, tmp_path: Path, template: Any, params: Any) -> Any:
    """Register a judge of its own weights for each seed."""
    section = params.promote.model_copy(update={"model_name": NAME})
    document = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    document["promote"]["model_name"] = NAME
    document["evaluate"] |= {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "cpu_threads": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))

    def run(seed: int, *, adapter: bool = False, loadable: bool = True) -> JudgeVersion:
        root = tmp_path / "made" / str(seed)
        (root / "merged").mkdir(parents=True)
        (root / "verdicts").mkdir()
        whole = root / ("base" if adapter else "merged")
        whole.mkdir(exist_ok=True)
        build_miniature(whole, "float32", seed)
        if adapter:
            build_adapter(root / "merged", whole, seed)
        if not loadable:
            shorten_context(whole)
        write_template(template, root / "merged")
        write_json(root / "metrics.json", {"merged": {}})
        write_json(root / "verdicts" / "metrics.json", {})
        (root / "report.html").write_text("<html>")
        evidence = Evidence(
            judge="merged",
            model=root / "merged",
            base=whole if adapter else None,
            metrics=root / "metrics.json",
            page=root / "report.html",
            verdicts=root / "verdicts",
        )
        return Registry(NAME).register(evidence, section, params.evaluate)

    return run


def crown(version: JudgeVersion) -> None:
    registry = Registry(NAME)
    entries, state, _ = registry.settle()
    entry = Entry(action="promote", versions=(version.number,), before=state.champion, who="a test", why="a test")
    registry.commit(entry, entries)


def test_a_new_champion_takes_over_under_load_and_no_request_is_lost(register: Any, store: Any, tmp_path: Path) -> None:
    first, second = register(1), register(2)
    crown(first)
    service = Service(tmp_path, "--watch-s", "1")
    try:
        assert service.grade().json()["model_version"] == first.number
        load = service.start_load(240, 24)
        service.wait_for(lambda: service.read_metric("judgeforge_batch_size_count") > 2)
        crown(second)
        service.wait_for(lambda: f"judge {second.number} in place of {first.number}" in service.log.read_text())
        answers = read_load(load)
        assert [status for status, _, _ in answers] == [200] * 240
        versions = [version for _, version, _ in answers]
        assert versions[0] == first.number and set(versions) <= {first.number, second.number}
        assert service.grade().json()["model_version"] == second.number
        # Whatever the registry says, the service goes on with the judge that it has.
        store.delete_registered_model_alias(NAME, "champion")
        service.wait_for(lambda: service.read_metric("judgeforge_changes_total") >= 2)
        assert "is champion yet" in service.log.read_text()
        assert service.grade().json()["model_version"] == second.number
        assert service.end() == 0
    finally:
        service.stop()


@pytest.mark.slow
def test_a_champion_that_cannot_be_loaded_is_not_tried_all_the_time(register: Any, tmp_path: Path) -> None:
    first, broken, third = register(1), register(2, loadable=False), register(3)
    crown(first)
    service = Service(tmp_path, "--watch-s", "1")
    try:
        crown(broken)
        service.wait_for(lambda: f"judge {broken.number} is tried again in 60 s" in service.log.read_text())
        time.sleep(4)
        assert service.read_metric("judgeforge_changes_total") == 1
        assert service.client.post("/admin/reload").status_code == 202
        service.wait_for(lambda: f"judge {broken.number} is tried again in 120 s" in service.log.read_text())
        assert service.grade().json()["model_version"] == first.number
        crown(third)
        service.wait_for(lambda: f"judge {third.number} in place of {first.number}" in service.log.read_text())
        crown(first)
        service.wait_for(lambda: f"judge {first.number} in place of {third.number}" in service.log.read_text())
        assert service.grade().json()["model_version"] == first.number, "an older version is served as a newer one is"
    finally:
        service.stop()


@pytest.mark.slow
def test_an_adapter_is_served_and_grades_on_the_base_that_it_brings(register: Any, tmp_path: Path) -> None:
    crown(register(1, adapter=True))
    shutil.rmtree(tmp_path / "made")
    service = Service(tmp_path)
    try:
        served = service.grade()
        assert served.status_code == 200
    finally:
        service.stop()
    (tmp_path / "rubric.yaml").write_text(yaml.safe_dump(RUBRIC))
    command = [sys.executable, "-m", "judgeforge.cli", "grade", "--rubric", "rubric.yaml", "--json"]
    command += ["--instruction", "Name a prime.", "--response", "9"]
    graded = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(graded.stdout)["feedback"] == served.json()["feedback"]
