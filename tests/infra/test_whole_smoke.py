"""The project's own stages, recipe smoke, on machines: first all of it, then a night in which corrections have come."""

import json
from collections.abc import Iterator

import polars
import pytest
import yaml
from installed import running_installation
from played import wait_for
from rented import Moto
from retrained import MODEL, Installation

pytestmark = pytest.mark.slow
CORRECTIONS = {
    "name": "corrections",
    "kind": "file",
    "path": "collections/corrections/direct.jsonl",
    "columns": {
        name: name for name in ("id", "instruction", "response", "reference", "criteria", "levels", "feedback", "score")
    },
    "weight": 1.0,
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, moto_server: Moto) -> Iterator[Installation]:
    with running_installation(tmp_path_factory.mktemp("smoke"), moto_server, "smoke") as made:
        yield made


def correct(number: int, score: int) -> str:
    """Return a correction as long as the rows that are there: prepare refuses many that are extraordinary."""
    rubric = {"criteria": "Is it a prime?", "levels": [f"As good as {level} of 5." for level in range(1, 6)]}
    response = f"The next prime above {number} is {number + 3}, as far as I know."
    feedback = f'It says "{response}" Nobody has looked for the divisors of {number + 3} here.'
    item = {"instruction": f"Name a prime above {number}.", "response": response, "rubric": rubric, "reference": "97."}
    said = {"score": score, "feedback": feedback, "who": "bea", "when": "2026-11-26T14:00:00Z"}
    return json.dumps({"item": item, **said}) + "\n"


def test_stages_train_and_judge_on_machines_and_a_nights_corrections_do_it_again(installation: Installation) -> None:
    run = installation.retrain()
    assert installation.wait_until_ended(run, 1500) == "COMPLETED", installation.describe()
    assert len(find_versions(installation)) == 1  # the gate does not let a miniature through
    first = installation.list_handed()
    assert {"train@direct", "train@pairwise", "evaluate@merged"} <= set(first)
    assert set(first.values()) == {1}
    assert installation.machines.most == 2
    wait_for(lambda: installation.list_left() == [], 120, lambda: str(installation.list_left()))

    inbox = installation.checkout / "corrections"
    inbox.mkdir()
    (inbox / "bea.jsonl").write_text("".join(correct(10 * number, 1 + number % 5) for number in range(1, 21)))
    params = installation.checkout / "params.yaml"
    values = yaml.safe_load(params.read_text())
    values["prepare"]["sources"].append(CORRECTIONS)
    installation.run("judgeforge", "corrections", "corrections")
    params.write_text(yaml.safe_dump(values, sort_keys=False))
    night = installation.start_flow("check-data/nightly", corrections="corrections")
    assert installation.wait_until_ended(night, 1500) == "COMPLETED", installation.describe()
    second = installation.list_handed() - first
    assert {"train@direct", "evaluate@merged"} <= set(second)
    assert set(second.values()) == {1}
    rows = polars.read_parquet(installation.checkout / "data/train/direct/*.parquet")
    assert "Name a prime above " in str(rows.to_dicts())
    assert len(find_versions(installation)) == 2
    wait_for(lambda: installation.list_left() == [], 120, lambda: str(installation.list_left()))

    again = installation.start_flow("check-data/nightly", corrections="corrections")
    assert installation.wait_until_ended(again) == "COMPLETED"
    assert installation.list_handed() == first + second
    assert len(find_versions(installation)) == 2


def find_versions(installation: Installation) -> list[str]:
    from mlflow import MlflowClient

    client = MlflowClient(installation.mlflow.address)
    return [found.version for found in client.search_model_versions(f"name = '{MODEL}'")]
