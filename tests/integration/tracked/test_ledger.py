import threading
from typing import Any

import pytest
from mlflow import MlflowClient

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.promote.ledger import Entry, Ledger, OvertakenError
from judgeforge.promote.operations import roll_back
from judgeforge.promote.registry import Registry
from judgeforge.tracking import tracking_address
from tests.integration.tracked.judges import FEW, NAME


def promote(number: str, who: str = "ann", before: str | None = None) -> Entry:
    return Entry(action="promote", versions=(number,), who=who, before=before)


@pytest.fixture
def ledger(store: Any, make_evidence: Any, run_promotion: Any) -> Ledger:
    run_promotion(make_evidence(1, FEW), to="challenger")
    return Ledger(store, NAME)


def test_an_empty_ledger_and_none_at_all(ledger: Ledger, store: Any) -> None:
    assert ledger.read() == []
    nobody = Ledger(store, "nobody")
    assert nobody.read() == []
    with pytest.raises(InputError, match="'nobody' has no version"):
        nobody.append(promote("1"), after=[])


def test_of_twenty_who_write_at_once_one_is_first_and_the_others_learn_who(ledger: Ledger) -> None:
    start, outcomes = threading.Barrier(20), {}

    def write(name: str) -> None:
        own, entry = Ledger(MlflowClient(tracking_address()), NAME), promote("1", name)
        start.wait()
        for _ in range(10):
            try:
                own.append(entry, after=[])
                outcomes[name] = "won"
            except OvertakenError as error:
                outcomes[name] = error.problem
            except EnvironmentFault:  # twenty threads at one SQLite file: "locked", which says to ask again
                continue
            return

    threads = [threading.Thread(target=write, args=(f"p{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (entry,) = ledger.read()
    assert outcomes.pop(entry.who) == "won"
    assert len(outcomes) == 19
    assert all(f"version 1 became champion ({entry.who}, {entry.when})" in said for said in outcomes.values())


def test_a_lost_answer_is_made_up_for_by_sending_the_same_again(ledger: Ledger) -> None:
    entry = promote("1")
    ledger.append(entry, after=[])
    ledger.append(entry, after=[])
    assert ledger.read() == [entry]
    with pytest.raises(OvertakenError):
        ledger.append(promote("1"), after=[])


def test_a_ledger_with_a_hole_or_nonsense_is_not_believed(ledger: Ledger, store: Any) -> None:
    run_id = store.get_model_version(NAME, "1").run_id
    store.log_param(run_id, "ledger.000002", promote("1").model_dump_json())
    with pytest.raises(InputError, match=r"broken at ledger\.000001"):
        ledger.read()
    store.log_param(run_id, "ledger.000001", '{"action": "sell"}')
    with pytest.raises(InputError, match=r"broken at ledger\.000001"):
        roll_back(Registry(NAME), "no reason")


def test_a_deleted_run_takes_no_entry_and_says_so(ledger: Ledger, store: Any) -> None:
    run_id = store.get_model_version(NAME, "1").run_id
    store.delete_run(run_id)
    with pytest.raises(EnvironmentFault, match=run_id):
        ledger.append(promote("1"), after=[])
    store.restore_run(run_id)
    ledger.append(promote("1"), after=[])
    assert len(ledger.read()) == 1
