import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from judgeforge.engines.fingerprint import digest_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import EvaluateParams, Params
from judgeforge.promote.candidate import load_candidate
from judgeforge.promote.consent import GateRefusedError
from judgeforge.promote.decision import Record
from judgeforge.promote.fetching import fetch_version, find_carrier
from judgeforge.promote.registry import Registry
from tests.evaluations import build_rows, write_rows
from tests.integration.tracked.judges import FEW, HALF, MANY, MORE, NAME, find_aliases

ITEM: dict[str, Any] = {"instruction": "Add 1 and 1.", "criteria": "Is it right?"}
ITEM |= {f"level_{score}": f"level {score}" for score in range(1, 6)}


def load_decision(tmp_path: Path) -> dict[str, Any]:
    document = load_json(tmp_path / "decision.json")
    assert Record.model_validate(document).model_dump(mode="json") == document
    assert document["decision"]["summary"] in (tmp_path / "decision.md").read_text()
    return document


def grade(rows: list[dict[str, Any]], alias: str) -> Any:
    import mlflow
    import pandas as pd

    from judgeforge.tracking import tracking_address

    mlflow.set_tracking_uri(tracking_address())
    return mlflow.pyfunc.load_model(f"models:/{NAME}@{alias}").predict(pd.DataFrame(rows))


def test_a_registered_judge_of_every_scale_takes_frames_of_every_scale(
    store: Any, make_evidence: Any, run_promotion: Any
) -> None:
    evidence = make_evidence(1, FEW)
    write_template(load_template("judgeforge-2"), evidence.model)
    run_promotion(evidence, to="challenger")
    row = {"instruction": "Add.", "criteria": "Right?", "response": "2", "level_1": "no", "level_2": "yes"}
    ten = row | {f"level_{number}": f"grade {number}" for number in range(1, 11)}
    for rows in ([row], [row | {"lowest": 0}], [row, ten]):
        assert len(grade(rows, "challenger")) == len(rows)
    with pytest.raises(Exception, match="level_2"):
        grade([{key: value for key, value in row.items() if key != "level_2"}], "challenger")


def test_a_registered_judge_grades_a_data_frame(store: Any, make_evidence: Any, run_promotion: Any) -> None:
    version = run_promotion(make_evidence(1, FEW), to="challenger")
    assert find_aliases(store) == {"challenger": version.number}
    rows = [ITEM | {"response": "2", "reference": "It is 2."}, ITEM | {"response_a": "2", "response_b": "3"}]
    graded = grade(rows, "challenger")
    assert list(graded.columns) == ["feedback", "score", "choice", "raw_text"]
    assert len(graded) == 2
    assert all(isinstance(text, str) for text in graded["raw_text"])
    with pytest.raises(Exception, match="level_3"):
        grade([{key: value for key, value in rows[0].items() if key != "level_3"}], "challenger")


def test_a_version_holds_weights_without_pickle_evidence_and_lineage(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    (tmp_path / "dvc.lock").write_text("stages: {prepare: {outs: [{path: data/train, md5: abc.dir}]}}\n")
    version = run_promotion(make_evidence(1, FEW), to="challenger")
    tags = store.get_model_version(NAME, version.number).tags
    assert tags["judge"] == "merged"
    assert tags["data.data/train"] == "abc.dir"
    assert {"weights_digest", "dvc_lock_sha256"} <= set(tags)
    evidence = {entry.path for entry in store.list_artifacts(version.run_id, "evidence")}
    papers = {"metrics.json", "report.html", "verdicts", "card"}
    assert evidence == {f"evidence/{name}" for name in papers}
    card = {Path(entry.path).name for entry in store.list_artifacts(version.run_id, "evidence/card")}
    assert {"card.md", "card.html", "sbom.cdx.json"} <= card
    assert tags["package.torch"]
    folder = fetch_version(find_carrier(NAME, "challenger"))[0]
    assert (folder / "model.safetensors").is_file()
    stored = [path for path in folder.parents[1].rglob("*") if path.is_file()]
    assert not [path for path in stored if path.suffix in (".pkl", ".pickle", ".bin", ".pt")]
    requirements = (folder.parents[1] / "requirements.txt").read_text()
    assert "torch==" in requirements
    assert "://" not in requirements
    assert "+" not in requirements


def test_the_same_weights_are_the_same_version_and_newer_evidence_lies_beside_the_older(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    first = run_promotion(make_evidence(1, FEW), to="challenger")
    again = run_promotion(make_evidence(1, MORE), to="challenger")
    assert (first.created, again.created) == (True, False)
    assert again.number == first.number
    assert again.evidence != first.evidence
    for version, wrong in ((first, 8), (again, 16)):
        place = Registry(NAME).download_verdicts(version, tmp_path / version.evidence)
        missed = load_candidate(place).judged.filter(pl.col("score") != pl.col("gold_score"))
        assert missed.height == wrong
    assert run_promotion(make_evidence(2, FEW), to="challenger").number != first.number


def test_the_gate_crowns_refuses_and_can_be_overruled_with_a_reason(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    with pytest.raises(GateRefusedError, match="p/accuracy against base is") as refused:
        run_promotion(make_evidence(1, MORE, HALF))
    assert refused.value.exit_code == 3
    assert find_aliases(store) == {"challenger": "1"}
    assert load_decision(tmp_path)["decision"]["outcome"] == "refused"

    assert run_promotion(make_evidence(2, MORE), why="weekly").number == "2"
    assert find_aliases(store) == {"challenger": "2", "champion": "2"}
    tags = store.get_model_version(NAME, "2").tags
    assert (tags["promoted_why"], tags["first_champion"]) == ("weekly", "true")
    assert {"promoted_who", "promoted_when"} <= set(tags)

    with pytest.raises(GateRefusedError, match="p/accuracy against the champion"):
        run_promotion(make_evidence(3, FEW, MORE))
    with pytest.raises(InputError, match="needs a reason"):
        run_promotion(make_evidence(3, FEW, MORE), force=True)
    run_promotion(make_evidence(3, FEW, MORE), force=True, why="pearson matters more")
    assert find_aliases(store) == {"challenger": "3", "champion": "3", "previous": "2"}
    assert "first_champion" not in store.get_model_version(NAME, "3").tags
    assert load_decision(tmp_path)["forced"] is True
    decisions = store.list_artifacts(store.get_model_version(NAME, "3").run_id, "decisions")
    assert len(decisions) == 2, "the refusal stays on record beside the overruling"


def test_a_successor_stands_against_the_champions_and_the_first_champions_stored_verdicts(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    run_promotion(make_evidence(1, MANY))
    run_promotion(make_evidence(2, MORE))
    run_promotion(make_evidence(3, FEW))
    record = load_decision(tmp_path)
    assert (record["champion"], record["first_champion"]) == ("2", "1")
    assert record["decision"]["notes"] == [
        "The verdicts of the champion (version 2) are those of its stored evidence.",
        "The verdicts of the first champion (version 1) are those of its stored evidence.",
    ]
    against = {check["against"] for check in record["decision"]["checks"] if check["kind"] == "non_inferiority"}
    assert against == {"the champion", "the first champion"}
    assert find_aliases(store) == {"challenger": "3", "champion": "3", "previous": "2"}


def test_what_cannot_be_decided_promotes_nothing(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    run_promotion(make_evidence(1, MANY, range(0, 120, 5)))
    with pytest.raises(GateRefusedError, match="Cannot decide: p/accuracy against the champion") as undecided:
        run_promotion(make_evidence(2, MORE, range(2, 120, 5)))
    assert undecided.value.exit_code == 3
    assert "more items" in undecided.value.remedy
    assert find_aliases(store) == {"challenger": "2", "champion": "1"}
    assert load_decision(tmp_path)["decision"]["outcome"] == "undecided"


def test_a_champion_promoted_before_there_was_a_tag_is_the_only_one_to_stand_against(
    store: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path
) -> None:
    run_promotion(make_evidence(1, MANY), to="challenger")
    store.set_registered_model_alias(NAME, "champion", "1")
    run_promotion(make_evidence(2, FEW))
    notes = load_decision(tmp_path)["decision"]["notes"]
    assert "No version is known to be the first champion" in notes[0]


def test_verdicts_of_other_weights_or_of_rivals_on_other_items_are_no_evidence(
    store: Any, make_evidence: Any, run_promotion: Any, engine: EvaluateParams
) -> None:
    with pytest.raises(InputError, match="are not those of the weights in"):
        run_promotion(make_evidence(1, FEW, weights="of another judge"))
    evidence = make_evidence(1, FEW)
    write_rows(evidence.verdicts, build_rows("merged", FEW), engine, weights=digest_weights(evidence.model))
    write_rows(evidence.rivals["base"], build_rows("base", range(120), HALF), engine, contents={"d": "9", "p": "2"})
    with pytest.raises(InputError, match=r"evaluation of base .* holds other items of d than the challenger's"):
        run_promotion(evidence)
    write_rows(evidence.rivals["base"], build_rows("base", range(120), HALF), engine)
    assert run_promotion(evidence).number == "1"
    assert find_aliases(store)["champion"] == "1"


def test_a_champion_is_not_asked_to_beat_itself(store: Any, make_evidence: Any, run_promotion: Any) -> None:
    run_promotion(make_evidence(1, FEW))
    assert run_promotion(make_evidence(1, FEW)).number == "1"
    assert find_aliases(store) == {"challenger": "1", "champion": "1"}


def test_an_alias_that_nobody_carries_is_named(store: Any) -> None:
    with pytest.raises(InputError, match="No version of 'test-judge' is champion yet"):
        find_carrier(NAME, "champion")


def test_the_program_says_no_in_one_line_and_with_its_own_exit_code(
    store: Any, make_evidence: Any, params: Params, tmp_path: Path
) -> None:
    evidence = make_evidence(1, FEW, HALF)
    section = params.model_dump(mode="json")
    section["promote"] |= {"model_name": NAME, "primary": ["d/pearson", "p/accuracy"]}
    write_json(tmp_path / "params.yaml", section)  # JSON is YAML
    options = ["--model", evidence.model, "--metrics", evidence.metrics, "--page", evidence.page]
    options += ["--evaluation", evidence.verdicts.parent]
    done = subprocess.run(
        [sys.executable, "-m", "judgeforge.promote", *map(str, options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: Not promoted: p/accuracy against base is +0.000")
    assert len(lines) == 2, "one line for the registration, one for the decision, none of MLflow's"
    assert load_json(tmp_path / "reports/decision.json")["decision"]["outcome"] == "refused"
    assert (tmp_path / "reports/decision.md").read_text().startswith(f"# {NAME}, version 1: refused")


def test_promotion_works_over_a_real_server(
    server: Any, make_evidence: Any, run_promotion: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_promotion(make_evidence(1, MANY))
    second = run_promotion(make_evidence(2, FEW))
    from mlflow import MlflowClient

    assert find_aliases(MlflowClient(server.address)) == {"challenger": "2", "champion": "2", "previous": "1"}
    assert len(grade([ITEM | {"response": "2"}], "champion")) == 1
    folder = fetch_version(find_carrier(NAME, "champion"))[0]
    assert fetch_version(find_carrier(NAME, "champion"))[0] == folder
    assert (folder / "model.safetensors").is_file()
    assert second.created
