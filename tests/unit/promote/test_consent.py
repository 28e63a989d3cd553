from pathlib import Path

from judgeforge.files import write_json
from judgeforge.promote.consent import Request, is_approved
from judgeforge.promote.decision import Decision, Record

DECISION = Decision(rule="first", outcome="promoted", summary="Better.", alpha=0.05, margin=0.05, checks=())
SHOWN = Record(
    who="ann",
    when="2026-11-26T10:00:00+00:00",
    why="",
    forced=False,
    awaits_approval=True,
    model="judge",
    version="5",
    champion=None,
    first_champion=None,
    decision=DECISION,
)


def ask(path: Path, name: str | None = "Bea", version: str = "5", champion: str | None = None) -> bool:
    return is_approved(DECISION, version, champion, Request(approved_by=name, decision_file=path))


def test_an_approval_counts_for_what_was_shown_and_for_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    assert not ask(path), "nothing was shown"
    write_json(path, SHOWN.model_dump(mode="json"))
    assert ask(path)
    assert not ask(path, name=None)
    assert not ask(path, version="6")
    assert not ask(path, champion="4"), "another champion than the one that it was held against"
    other = SHOWN.model_copy(update={"decision": DECISION.model_copy(update={"margin": 0.1})})
    write_json(path, other.model_dump(mode="json"))
    assert not ask(path), "other figures"


def test_after_it_was_overtaken_the_same_approval_counts_again_and_anothers_does_not(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    approved = SHOWN.model_copy(update={"awaits_approval": False, "approved_by": "Bea"})
    write_json(path, approved.model_dump(mode="json"))
    assert ask(path)
    assert not ask(path, name="Carl")


def test_a_decision_of_an_older_judgeforge_has_shown_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    write_json(path, {"model": "judge", "version": "5", "promoted": True})
    assert not ask(path)
