import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import judgeforge.promote.registry as registry_module
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.params import Params
from judgeforge.promote.consent import ApprovalAwaitedError
from judgeforge.promote.history import load_history
from judgeforge.promote.ledger import Entry, OvertakenError
from judgeforge.promote.operations import retire, roll_back
from judgeforge.promote.registry import Registry
from tests.integration.tracked.judges import FEW, MANY, MORE, NAME, find_aliases


@pytest.fixture
def three(store: Any, make_evidence: Any, run_promotion: Any) -> list[Any]:
    """Make three champions, one after another."""
    evidence = [make_evidence(1, MANY), make_evidence(2, MORE), make_evidence(3, FEW)]
    for each in evidence:
        run_promotion(each, why=f"seed {each.verdicts.parts[-3]}")
    return evidence


class Killed(BaseException):
    """Stands for a process that was killed: nothing catches it."""


class MortalClient:
    """A client whose process dies at a call: before one that writes, or after any.

    Args:
        client: does the work.
        lives: so many calls are made.
        after: die after it, and count those that read, too.
    """

    def __init__(self, client: Any, lives: int, after: bool) -> None:
        self._client, self.lives, self._after = client, lives, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if not self._after and not name.startswith(("set_", "log_", "delete_", "create_")):
            return call

        def count(*arguments: Any, **options: Any) -> Any:
            if self.lives == 0 and not self._after:
                raise Killed(name)
            self.lives -= 1
            found = call(*arguments, **options)
            if self.lives < 0:
                raise Killed(name)
            return found

        return count


@pytest.fixture
def die_at(request: pytest.FixtureRequest) -> Iterator[Callable[[int | None], None]]:
    """Give a function: registries opened from then on die at the call of that number; None: at none."""
    after = getattr(request, "param", False)
    with pytest.MonkeyPatch.context() as patch:
        opened = registry_module.open_client

        def set_lives(lives: int | None) -> None:
            how = opened if lives is None else lambda: MortalClient(opened(), lives, after)
            patch.setattr(registry_module, "open_client", how)

        yield set_lives


def test_a_rollback_brings_the_champion_before_back_and_another_one_the_one_before_that(store: Any, three: Any) -> None:
    assert find_aliases(store) == {"challenger": "3", "champion": "3", "previous": "2"}
    roll_back(Registry(NAME), "grades too high")
    assert find_aliases(store) == {"challenger": "3", "champion": "2", "previous": "1"}
    tags = store.get_model_version(NAME, "3").tags
    assert tags["rolled_back_why"] == "grades too high"
    assert {"rolled_back_who", "rolled_back_when"} <= set(tags)
    roll_back(Registry(NAME), "worse still")
    assert find_aliases(store) == {"challenger": "3", "champion": "1"}
    with pytest.raises(InputError, match="no champion to go back to"):
        roll_back(Registry(NAME), "and again")


def test_the_same_rollback_asked_for_again_is_done_once_and_one_to_elsewhere_is_heard(store: Any, three: Any) -> None:
    roll_back(Registry(NAME), "too high")
    roll_back(Registry(NAME), "too high")
    assert find_aliases(store)["champion"] == "2"
    store.set_registered_model_alias(NAME, "champion", "3")
    roll_back(Registry(NAME), "too high", to="1", expected="2")
    assert find_aliases(store)["champion"] == "1"


def test_what_is_too_long_for_mlflow_is_refused_before_it_breaks_the_ledger(store: Any, three: Any) -> None:
    registry, entries = Registry(NAME), Registry(NAME).ledger.read()
    figures = {f"benchmark_{number}/pearson": 0.5 for number in range(400)}
    with pytest.raises(InputError, match="MLflow keeps 6,000"):
        registry.commit(Entry(action="promote", versions=("1",), before="3", who="ann", figures=figures), entries)
    assert registry.ledger.read() == entries


def test_a_rollback_goes_to_a_champion_of_before_only_and_only_from_the_one_expected(store: Any, three: Any) -> None:
    with pytest.raises(InputError, match="was not champion before 3"):
        roll_back(Registry(NAME), "no", to="3")
    with pytest.raises(InputError, match="Version 3 of 'test-judge' is champion, not 2"):
        roll_back(Registry(NAME), "no", expected="2")
    with pytest.raises(InputError, match="needs a reason"):
        roll_back(Registry(NAME), " ")
    assert find_aliases(store)["champion"] == "3"
    roll_back(Registry(NAME), "both were bad", to="1", expected="3")
    assert find_aliases(store) == {"challenger": "3", "champion": "1"}


def test_a_version_that_was_rolled_back_stands_against_the_champion_again(
    store: Any, three: Any, run_promotion: Any
) -> None:
    roll_back(Registry(NAME), "by mistake")
    assert run_promotion(three[2], why="again").number == "3"
    assert find_aliases(store) == {"challenger": "3", "champion": "3", "previous": "2"}


def test_a_retired_version_is_neither_promoted_nor_gone_back_to_until_it_is_taken_back(
    store: Any, three: Any, run_promotion: Any
) -> None:
    with pytest.raises(InputError, match="version 3 is champion"):
        retire(Registry(NAME), "3", "no")
    with pytest.raises(InputError, match="no version 9"):
        retire(Registry(NAME), "9", "no")
    retire(Registry(NAME), "2", "trained on the test set")
    assert find_aliases(store) == {"challenger": "3", "champion": "3", "previous": "1"}
    assert store.get_model_version(NAME, "2").tags["retired_why"] == "trained on the test set"
    with pytest.raises(InputError, match=r"Version 2 was retired .*: trained on the test set"):
        run_promotion(three[1], force=True, why="I insist")
    retire(Registry(NAME), "2", "it was not", undo=True)
    assert store.get_model_version(NAME, "2").tags["retired_why"] == ""
    run_promotion(three[1], force=True, why="I insist")
    assert find_aliases(store) == {"challenger": "2", "champion": "2", "previous": "3"}
    retire(Registry(NAME), "3", "bad")
    assert find_aliases(store) == {"challenger": "2", "champion": "2", "previous": "1"}


def test_a_retired_challenger_is_challenger_no_more(store: Any, make_evidence: Any, run_promotion: Any) -> None:
    run_promotion(make_evidence(1, FEW), to="challenger")
    retire(Registry(NAME), "1", "bad")
    assert find_aliases(store) == {}
    retire(Registry(NAME), "1", "bad")
    assert len(Registry(NAME).ledger.read()) == 1


@pytest.mark.parametrize(
    ("what", "die_at"),
    [
        ("rollback", True),
        ("promotion", False),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("promotion", True), ("rollback", False))),
        *(pytest.param("retirement", after, marks=pytest.mark.slow) for after in (False, True)),
    ],
    indirect=["die_at"],
)
def test_killed_at_every_call_the_next_one_completes_what_was_begun(
    store: Any, three: Any, run_promotion: Any, die_at: Any, what: str
) -> None:
    def act() -> None:
        if what == "promotion":
            run_promotion(evidence, force=True, why="this one")
        elif what == "rollback":
            roll_back(Registry(NAME), f"back {lives}")
        else:
            retire(Registry(NAME), "1" if undo else "2", "out", undo=undo)

    for lives in itertools.count():
        champion = find_aliases(store)["champion"]
        evidence, undo, before = three[0 if champion != "1" else 1], False, len(Registry(NAME).ledger.read())
        if what == "rollback":
            run_promotion(evidence, force=True, why="to be rolled back")
        elif what == "retirement":
            retire(Registry(NAME), "2", "in", undo=True)
        entries, died = Registry(NAME).ledger.read(), False
        die_at(lives)
        try:
            act()
        except Killed:
            died = True
        die_at(None)
        if died:
            act()
        state = Registry(NAME).read()[1]
        assert find_aliases(store)["champion"] == state.champion
        assert find_aliases(store).get("previous") == state.previous
        assert not load_history(Registry(NAME)).unfinished
        found = Registry(NAME).ledger.read()
        assert len(found) == len(entries) + 1, f"done once, killed before call {lives}"
        assert len(found) > before
        if what == "rollback":
            assert state.champion == champion
        if not died:
            break
    assert lives >= 3, "there were steps to die between"


def test_who_decided_on_an_older_state_loses_and_is_told_to_whom(store: Any, three: Any, monkeypatch: Any) -> None:
    slow, entries = Registry(NAME), Registry(NAME).settle()[0]
    roll_back(Registry(NAME), "somebody else's")
    with pytest.raises(OvertakenError, match="meanwhile, version 3 was rolled back to version 2") as lost:
        slow.commit(Entry(action="promote", versions=("1",), before="3", who="slow"), entries)
    assert lost.value.exit_code == 75
    assert find_aliases(store)["champion"] == "2"


def test_a_slow_process_that_sets_an_old_alias_sees_the_newer_entry_and_repairs_it(store: Any, three: Any) -> None:
    store.set_registered_model_alias(NAME, "champion", "1")
    assert load_history(Registry(NAME)).unfinished
    assert load_history(Registry(NAME)).champion == "3"
    Registry(NAME).settle()
    assert find_aliases(store)["champion"] == "3"
    assert not load_history(Registry(NAME)).unfinished


def test_a_champion_that_was_deleted_in_mlflow_gives_way_to_the_one_before(store: Any, three: Any) -> None:
    store.delete_model_version(NAME, "3")
    assert Registry(NAME).settle()[1].champion == "2"
    assert find_aliases(store) == {"champion": "2", "previous": "1"}
    roll_back(Registry(NAME), "back")
    assert find_aliases(store) == {"champion": "1"}


def test_two_registrations_of_the_same_weights_at_once_leave_one_version(
    store: Any, make_evidence: Any, run_promotion: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    evidence = make_evidence(1, FEW)
    create = Registry._create
    rival: list[Any] = []

    def be_overtaken(self: Any, *arguments: Any) -> Any:
        monkeypatch.setattr(Registry, "_create", create)
        rival.append(run_promotion(evidence, to="challenger"))
        return create(self, *arguments)

    monkeypatch.setattr(Registry, "_create", be_overtaken)
    version = run_promotion(evidence, to="challenger")
    assert (rival[0].number, version.number) == ("1", "1")
    assert (rival[0].created, version.created) == (True, False)
    assert [str(each.version) for each in Registry(NAME).list_versions()] == ["1"]
    assert len(list((tmp_path / "mlartifacts").rglob("model.safetensors"))) == 1, "the copy's files are gone"


def test_where_approval_is_asked_for_the_judge_waits_for_it(
    store: Any, make_evidence: Any, run_promotion: Any, section: Any, tmp_path: Any
) -> None:
    object.__setattr__(section, "approval", True)
    with pytest.raises(ApprovalAwaitedError, match="Version 1 waits for approval"):
        run_promotion(make_evidence(1, FEW), approved_by="Bea")  # who has seen nothing yet
    with pytest.raises(ApprovalAwaitedError, match="Version 1 waits for approval") as waiting:
        run_promotion(make_evidence(1, FEW))
    with pytest.raises(InputError, match="nobody's name"):
        run_promotion(make_evidence(1, FEW), approved_by=" ")
    with pytest.raises(ApprovalAwaitedError):
        run_promotion(make_evidence(1, MORE), approved_by="Bea")  # other figures than those that she saw
    with pytest.raises(ApprovalAwaitedError):
        run_promotion(make_evidence(1, FEW))
    with pytest.raises(InputError, match="The judge here is version 1, not 7"):
        run_promotion(make_evidence(1, FEW), approved_by="Bea", only_version="7")
    assert waiting.value.exit_code == 4
    assert find_aliases(store) == {"challenger": "1"}
    assert load_json(tmp_path / "decision.json")["awaits_approval"] is True
    assert "It waits for approval." in (tmp_path / "decision.md").read_text()
    run_promotion(make_evidence(1, FEW), approved_by="Bea")
    assert "Approved by Bea." in (tmp_path / "decision.md").read_text()
    assert find_aliases(store)["champion"] == "1"
    assert store.get_model_version(NAME, "1").tags["promoted_approved_by"] == "Bea"


def test_the_history_tells_who_when_what_and_why_with_figures(store: Any, three: Any, params: Params) -> None:
    store_folder = _find_folder(store)
    write_json(store_folder, _name_model(params))  # JSON is YAML
    roll_back(Registry(NAME), "grades too high")
    shown = _run("history", cwd=store_folder.parent)
    assert shown.returncode == 0, shown.stderr
    for word in ("Champion of test-judge: version 2", "grades too high", "seed 3", "rollback", "3 -> 2", "d/pearson"):
        assert word in shown.stdout
    found = json.loads(_run("history", "--json", cwd=store_folder.parent).stdout)
    assert [entry["action"] for entry in found["entries"]] == ["promote", "promote", "promote", "rollback"]
    assert 0 < found["entries"][1]["figures"]["p/accuracy"] <= 1
    assert [version["aliases"] for version in found["versions"]] == [["previous"], ["champion"], ["challenger"]]


def test_the_commands_roll_back_and_retire(store: Any, three: Any, params: Params) -> None:
    folder = _find_folder(store)
    write_json(folder, _name_model(params))
    done = _run("rollback", "--why", "bad", "--expect", "3", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert "test-judge: version 3 was rolled back to version 2" in done.stderr
    refused = _run("retire", "2", "--why", "bad", cwd=folder.parent)
    assert refused.returncode == 2
    assert "'test-judge' version 2 is champion" in refused.stderr
    assert _run("retire", "3", "--why", "bad", cwd=folder.parent).returncode == 0
    assert find_aliases(store) == {"champion": "2", "previous": "1"}


def _find_folder(store: Any) -> Any:
    from pathlib import Path

    return Path(store.tracking_uri.removeprefix("sqlite:///")).parent / "params.yaml"


def _name_model(params: Params) -> dict[str, Any]:
    document = params.model_dump(mode="json")
    document["promote"]["model_name"] = NAME
    return document


def _run(*arguments: str, cwd: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
