from pathlib import Path
from typing import Any

import pytest
import yaml

from judgeforge.errors import InputError
from judgeforge.lineage import describe_lineage, load_lock
from judgeforge.promote.evidence import collect_evidence, compute_digest

LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "base": {"cmd": "b", "outs": [{"path": "models/base", "md5": "0.dir"}]},
        "prepare": {"cmd": "p", "outs": [{"path": "data/train", "md5": "1.dir"}, {"path": "data/x.json", "md5": "2"}]},
        "train@direct": {"cmd": "t", "outs": [{"path": "curves/direct.jsonl"}, {"path": "models/direct"}]},
        "merge": {"cmd": "m", "outs": [{"path": "models/merged"}]},
        "evaluate@merged": {
            "cmd": "python -m judgeforge.evaluate --judge merged --model models/merged --template data/t.json "
            "--benchmarks data/b --audit data/a.json --out evaluation/merged --journal j",
            "deps": [{"path": "data/x.json"}, {"path": "models/base"}, {"path": "models/merged"}],
            "outs": [{"path": "evaluation/merged"}],
        },
        "evaluate@direct": {
            "cmd": "e",
            "deps": [{"path": "models/base"}, {"path": "models/direct"}],
            "outs": [{"path": "evaluation/direct"}],
        },
        "reference@random": {"cmd": "e", "outs": [{"path": "evaluation/random"}]},
        "reference@longer": {"cmd": "e", "outs": [{"path": "evaluation/longer"}]},
        "report": {"cmd": "r", "outs": [{"path": "reports/report.html"}, {"path": "reports/metrics.json"}]},
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(yaml.safe_dump(LOCK))
    for folder in (
        "models/base",
        "models/direct",
        "models/merged",
        "evaluation/merged",
        "evaluation/direct",
        "evaluation/random",
        "reports",
    ):
        Path(folder).mkdir(parents=True)
    Path("reports/metrics.json").write_text("{}")
    Path("reports/report.html").write_text("<html>")
    return tmp_path


def test_what_is_not_named_is_where_the_stages_put_it(project: Path) -> None:
    evidence = collect_evidence("merged")
    assert evidence.model == Path("models/merged")
    assert evidence.base is None
    assert evidence.metrics == Path("reports/metrics.json")
    assert evidence.page == Path("reports/report.html")
    assert evidence.verdicts == Path("evaluation/merged")
    assert evidence.rivals == {"random": Path("evaluation/random")}, "longer was evaluated once, and is not there"
    assert evidence.options == ("--template", "data/t.json", "--benchmarks", "data/b", "--audit", "data/a.json")


def test_an_adapter_brings_its_base_and_is_told_from_its_curve(project: Path) -> None:
    Path("models/direct/adapter_config.json").write_text('{"base_model_name_or_path": "models/base"}')
    evidence = collect_evidence("direct")
    assert evidence.model == Path("models/direct")
    assert evidence.base == Path("models/base")


def test_named_places_win(project: Path) -> None:
    Path("elsewhere/merged").mkdir(parents=True)
    Path("elsewhere/base").mkdir()
    evidence = collect_evidence("merged", model=Path("models/direct"), evaluation=Path("elsewhere"))
    assert evidence.model == Path("models/direct")
    assert evidence.verdicts == Path("elsewhere/merged")
    assert evidence.rivals == {"base": Path("elsewhere/base")}


@pytest.mark.parametrize(
    ("judge", "said"), [("pairwise", "no evaluated judge 'pairwise'"), ("base", "no evaluated judge 'base'")]
)
def test_a_judge_that_was_not_evaluated_is_named(project: Path, judge: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        collect_evidence(judge)


def test_a_missing_file_is_named(project: Path) -> None:
    Path("reports/report.html").unlink()
    with pytest.raises(InputError, match=r"no reports/report\.html"):
        collect_evidence("merged")


def test_without_a_lock_file_the_stages_have_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        collect_evidence("merged")
    assert "judgeforge retrain" in caught.value.remedy


def test_a_digest_follows_names_and_contents_only(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "weights").write_bytes(b"1")
        (tmp_path / name / "config").write_bytes(b"2")
    (tmp_path / "c" / "config").write_bytes(b"3")
    (tmp_path / "d" / "config").rename(tmp_path / "d" / "renamed")
    first, same, other, renamed = (compute_digest(tmp_path / name) for name in ("a", "b", "c", "d"))
    assert first == same
    assert len({first, other, renamed}) == 3
    assert compute_digest(tmp_path / "a", None) == first
    assert compute_digest(tmp_path / "a", tmp_path / "c") != first


def test_lineage_names_the_lock_file_and_the_data(project: Path) -> None:
    tags = describe_lineage()
    assert tags["data.data/train"] == "1.dir"
    assert tags["data.data/x.json"] == "2"
    assert len(tags["dvc_lock_sha256"]) == 64
    assert "git_commit" not in tags


def test_a_broken_lock_file_is_bad_input(project: Path) -> None:
    Path("dvc.lock").write_text("stages: [")
    with pytest.raises(InputError, match=r"dvc\.lock is not valid YAML"):
        load_lock()
