"""``judgeforge serve`` follows the registry's champion, in a real store, while it is asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from judgeforge.base.miniature import build_miniature
from judgeforge.files import write_json
from judgeforge.grading.templates import write_template
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.registry import JudgeVersion, Registry
from tests.integration.serving.conftest import ROOT, Service, read_load

NAME = "served-judge"


@pytest.fixture
def register(store: Any, tmp_path: Path, template: Any, params: Any) -> Any:
    """Register a judge of its own weights for each seed."""
    section = params.promote.model_copy(update={"model_name": NAME})
    document = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    document["promote"]["model_name"] = NAME
    document["evaluate"] |= {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "cpu_threads": 1}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))

    def run(seed: int) -> JudgeVersion:
        root = tmp_path / "made" / str(seed)
        (root / "merged").mkdir(parents=True)
        (root / "verdicts").mkdir()
        build_miniature(root / "merged", "float32", seed)
        write_template(template, root / "merged")
        write_json(root / "metrics.json", {"merged": {}})
        write_json(root / "verdicts" / "metrics.json", {})
        (root / "report.html").write_text("<html>")
        evidence = Evidence(
            judge="merged",
            model=root / "merged",
            base=None,
            metrics=root / "metrics.json",
            page=root / "report.html",
            verdicts=root / "verdicts",
        )
        return Registry(NAME).register(evidence, section, params.evaluate)

    return run


def crown(version: JudgeVersion) -> None:
    registry = Registry(NAME)
    registry.crown(version, registry.find_alias("champion"), {"why": "a test"})


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
