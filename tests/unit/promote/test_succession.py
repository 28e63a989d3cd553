from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.promote.ledger import Entry
from judgeforge.promote.succession import Succession, trace_succession


def write(action: str, *versions: str, before: str | None = None) -> Entry:
    return Entry.model_validate({"action": action, "versions": versions, "before": before, "who": "ann"})


def test_rollbacks_go_back_one_by_one_and_a_promotion_goes_on_from_there() -> None:
    entries = [write("promote", number) for number in "123"]
    assert trace_succession(entries).champions == ("1", "2", "3")
    entries += [write("rollback", "2", before="3")]
    assert (trace_succession(entries).champion, trace_succession(entries).previous) == ("2", "1")
    entries += [write("rollback", "1", before="2")]
    assert (trace_succession(entries).champion, trace_succession(entries).previous) == ("1", None)
    entries += [write("promote", "4", before="1")]
    assert trace_succession(entries).champions == ("1", "4")


def test_a_rollback_over_several_champions_forgets_those_between() -> None:
    entries = [write("promote", number) for number in "1234"]
    assert trace_succession([*entries, write("rollback", "2", before="4")]).champions == ("1", "2")


def test_nobody_goes_back_to_a_retired_version_or_to_one_without_weights() -> None:
    entries = [write("promote", number) for number in "1234"]
    entries += [write("retire", "3"), write("collect", "1", "7")]
    state = trace_succession(entries)
    assert state.champions == ("2", "4")
    assert state.collected == {"1", "7"}
    assert state.find_retirement("3") == entries[4]
    assert trace_succession([*entries, write("reinstate", "3")]).find_retirement("3") is None


def test_where_the_version_between_is_retired_the_same_champion_does_not_follow_itself() -> None:
    entries = [write("promote", number) for number in ("1", "2", "1")] + [write("retire", "2")]
    assert trace_succession(entries).champions == ("1",)


def test_a_champion_from_before_the_ledger_is_the_first_of_all() -> None:
    assert trace_succession([], "5").champions == ("5",)
    assert trace_succession([write("promote", "6", before="5")], "6").champions == ("5", "6")


def test_whoever_was_deleted_is_no_champion() -> None:
    entries = [write("promote", number) for number in "123"]
    assert trace_succession(entries, known={"1", "2"}).champions == ("1", "2")
    assert trace_succession(entries, known=()).champion is None


@st.composite
def ledgers(draw: Any) -> list[Entry]:
    """Draw ledgers as the commands write them: nobody promotes what is barred, or retires the champion."""
    entries: list[Entry] = []
    for _ in range(draw(st.integers(0, 25))):
        state = trace_succession(entries)
        numbers = {str(number) for number in range(1, 7)}
        fit = numbers - dict(state.retired).keys() - state.collected
        choices = [("promote", number) for number in fit - {state.champion}]
        choices += [("rollback", number) for number in state.champions[:-1] if number != state.champion]
        choices += [("retire", number) for number in fit - {state.champion}]
        choices += [("reinstate", number) for number in dict(state.retired).keys() - state.collected]
        choices += [("collect", number) for number in numbers - state.collected - {state.champion, state.previous}]
        if choices:
            action, number = draw(st.sampled_from(sorted(choices)))
            entries.append(write(action, number, before=state.champion))
    return entries


@given(ledgers())
def test_whatever_is_written_the_champion_is_the_last_one_named_and_a_rollback_changes_it(entries: list[Entry]) -> None:
    state = trace_succession(entries)
    named = [entry.version for entry in entries if entry.action in ("promote", "rollback")]
    assert state.champion == (named[-1] if named else None)
    assert not set(state.champions) & (state.collected | dict(state.retired).keys())
    assert state.previous is None or state.previous != state.champion
    assert all(first != second for first, second in zip(state.champions, state.champions[1:], strict=False))


def test_entries_of_a_newer_version_are_read_as_far_as_known_and_long_reasons_are_none() -> None:
    text = write("promote", "1").model_dump_json()
    assert Entry.model_validate_json(text.replace('"who"', '"mood":"good","who"')).version == "1"
    with pytest.raises(ValueError, match="why"):
        Entry(action="promote", versions=("1",), who="ann", why="x" * 501)
    assert Succession().champion is None
