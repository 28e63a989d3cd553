from typing import Any

import pytest

import judgeforge.promote.collecting as collecting_module
import judgeforge.promote.registry as registry_module
from judgeforge.errors import InputError
from judgeforge.promote.collecting import GIVEN_UP_TAG, collect, plan_collection
from judgeforge.promote.fetching import fetch_version, find_carrier
from judgeforge.promote.ledger import Entry, OvertakenError
from judgeforge.promote.operations import retire, roll_back
from judgeforge.promote.registry import Registry
from tests.integration.tracked.judges import FEW, MANY, MORE, NAME, find_aliases


@pytest.fixture
def six(store: Any, make_evidence: Any, run_promotion: Any) -> list[Any]:
    """Five champions, one after another, and a challenger."""
    evidence = [make_evidence(seed, wrong) for seed, wrong in enumerate((MANY, MORE, FEW, FEW, FEW, FEW))]
    for each in evidence[:5]:
        run_promotion(each, force=True, why="next")
    run_promotion(evidence[5], to="challenger")
    return evidence


def plan(section: Any, **values: Any) -> Any:
    registry = Registry(NAME)
    return plan_collection(registry, *registry.read(), section.model_copy(update=values))


def test_aliases_the_first_champion_the_last_ones_and_the_young_stay(store: Any, six: Any, section: Any) -> None:
    assert plan(section).going == ()
    old = plan(section, keep_days=0, keep_champions=1)
    assert [number for number, _ in old.going] == ["2", "3"]
    assert dict(old.staying) == {
        "1": "it is the first champion, against whom margins are held",
        "4": "it is previous",
        "5": "it is champion",
        "6": "it is challenger",
    }
    assert [number for number, _ in plan(section, keep_days=0, keep_champions=3).going] == ["2"]
    retire(Registry(NAME), "3", "bad")
    assert plan(section).going == (("3", "it was retired (bad)"),)


def test_what_is_given_up_has_no_weights_but_its_evidence_and_is_nobody_to_go_back_to(
    store: Any, six: Any, section: Any, run_promotion: Any
) -> None:
    registry = Registry(NAME)
    lost, kept = registry.find_version("3"), registry.find_version("4")
    done = list(collect(registry, section.model_copy(update={"keep_days": 0, "keep_champions": 1})))
    assert [number for number, _ in done] == ["2", "3"]
    assert all("MB" in what for _, what in done)
    with pytest.raises(InputError):
        fetch_version(lost)
    assert (fetch_version(kept)[0] / "model.safetensors").is_file()
    assert registry.download_verdicts(lost, six[0].verdicts.parent / "again").is_dir()
    assert store.list_artifacts(lost.run_id, "decisions")
    with pytest.raises(InputError, match="these were, and can be: 4, 1"):
        roll_back(registry, "back", to="3")
    assert list(collect(registry, section.model_copy(update={"keep_days": 0, "keep_champions": 1}))) == []
    again = run_promotion(six[2], to="challenger")
    assert (again.number, again.created) == ("7", True), "the same weights come back as a new version"
    assert (fetch_version(find_carrier(NAME, "challenger"))[0] / "model.safetensors").is_file()


def test_weights_that_are_given_up_during_a_registration_are_registered_anew(
    store: Any, six: Any, section: Any, run_promotion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, log = section.model_copy(update={"keep_days": 0, "keep_champions": 1}), registry_module.log_evidence

    def be_overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(registry_module, "log_evidence", log)
        list(collect(Registry(NAME), values))
        log(*arguments)

    (six[2].page).write_text("<html>another")
    monkeypatch.setattr(registry_module, "log_evidence", be_overtaken)
    with pytest.raises(OvertakenError, match="weights of version 3 were given up meanwhile"):
        run_promotion(six[2], force=True, why="again")
    assert run_promotion(six[2], force=True, why="again").number == "7"
    assert (fetch_version(find_carrier(NAME, "champion"))[0] / "model.safetensors").is_file()


def test_a_collection_that_was_killed_goes_on_and_nobody_is_made_champion_meanwhile(
    store: Any, six: Any, section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = section.model_copy(update={"keep_days": 0, "keep_champions": 1})
    deciding, entries = Registry(NAME), Registry(NAME).settle()[0]
    delete, left = collecting_module.delete_weights, iter([True])

    def die(*arguments: Any) -> Any:
        if next(left, False):
            return delete(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(collecting_module, "delete_weights", die)
    with pytest.raises(KeyboardInterrupt):
        list(collect(Registry(NAME), values))
    with pytest.raises(OvertakenError, match="the weights of 2 versions were given up"):
        deciding.commit(Entry(action="promote", versions=("3",), before="5", who="ann"), entries)
    monkeypatch.setattr(collecting_module, "delete_weights", delete)
    assert plan(values).unfinished == ("3",)
    assert [number for number, _ in collect(Registry(NAME), values)] == ["3"]
    assert all(GIVEN_UP_TAG in store.get_model_version(NAME, number).tags for number in "23")
    assert find_aliases(store) == {"challenger": "6", "champion": "5", "previous": "4"}
