"""The journal: what was answered before a kill is not asked again, and a torn line costs one answer only."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from judgeforge.engines.asking import complete_journalled
from judgeforge.engines.fingerprint import compute_journal_key, list_weights
from judgeforge.engines.journal import Journal, compute_question_key
from judgeforge.engines.protocol import Completion, Conversation


def conversation(number: int, sample: int = 0) -> Conversation:
    return Conversation(format="direct", messages=({"role": "user", "content": str(number)},), sample=sample)


def completion(text: str) -> Completion:
    return Completion(text=text, prompt_tokens=1, output_tokens=1, finish="verdict")


def append(journal: Journal, *answers: tuple[str, str]) -> None:
    with journal.open() as write:
        for question, text in answers:
            write(question, completion(text))


class CountingEngine:
    """Answers each conversation with its own content, and dies after ``limit`` answers."""

    def __init__(self, limit: int | None = None) -> None:
        self.asked: list[str] = []
        self.limit = limit

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in reversed(list(enumerate(conversations))):
            if self.limit is not None and len(self.asked) == self.limit:
                raise KeyboardInterrupt
            self.asked.append(each.messages[0]["content"])
            yield index, completion(each.messages[0]["content"])


@pytest.mark.parametrize("limit", [0, 1, 16, 17, 39])
def test_a_killed_evaluation_goes_on_where_it_stopped(tmp_path, limit):
    conversations = [conversation(number) for number in range(40)]
    with pytest.raises(KeyboardInterrupt):
        complete_journalled(CountingEngine(limit), conversations, Journal(tmp_path, "key"), "test")
    second = CountingEngine()
    completions = complete_journalled(second, conversations, Journal(tmp_path, "key"), "test")
    assert [each.text for each in completions] == [str(number) for number in range(40)]
    assert len(second.asked) == 40 - limit


def test_equal_questions_are_asked_once_and_samples_are_different_questions(tmp_path):
    engine = CountingEngine()
    conversations = [conversation(1), conversation(2), conversation(1), conversation(1, sample=1)]
    texts = [each.text for each in complete_journalled(engine, conversations, Journal(tmp_path, "key"), "test")]
    assert texts == ["1", "2", "1", "1"]
    assert sorted(engine.asked) == ["1", "1", "2"]


def test_a_run_with_other_questions_finds_those_it_shares(tmp_path):
    complete_journalled(CountingEngine(), [conversation(1), conversation(2)], Journal(tmp_path, "key"), "test")
    engine = CountingEngine()
    complete_journalled(engine, [conversation(3), conversation(2)], Journal(tmp_path, "key"), "test")
    assert engine.asked == ["3"]


def test_a_torn_last_line_is_dropped_and_the_next_one_stands_whole(tmp_path):
    journal = Journal(tmp_path, "key")
    append(journal, ("0", "zero"), ("1", "one"))
    path = tmp_path / "key.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert list(journal.load()) == ["0"]
    append(journal, ("2", "two"))
    assert {key: each.text for key, each in journal.load().items()} == {"0": "zero", "2": "two"}


def test_garbage_lines_are_passed_over(tmp_path):
    journal = Journal(tmp_path, "key")
    (tmp_path / "key.jsonl").write_bytes(b'\xff\xfe\n{"question": "a"}\n[]\nnull\n{"index": 0}\n')
    append(journal, ("b", "one"))
    assert list(journal.load()) == ["b"]


def test_another_key_is_another_journal_and_the_finished_one_stays(tmp_path):
    append(Journal(tmp_path, "old"), ("0", "stale"))
    journal = Journal(tmp_path, "new")
    assert journal.load() == {}
    append(journal, ("0", "fresh"))
    journal.discard_others()
    assert [path.name for path in tmp_path.iterdir()] == ["new.jsonl"]
    assert {key: each.text for key, each in journal.load().items()} == {"0": "fresh"}


def test_an_answer_outlives_a_process_that_dies_right_after_it(tmp_path):
    """No clean end: the process leaves by ``os._exit`` in the middle, as after a ``kill -9``."""
    program = (
        "import os, sys; from pathlib import Path; from judgeforge.engines.journal import Journal\n"
        "from judgeforge.engines.protocol import Completion\n"
        "journal = Journal(Path(sys.argv[1]), 'key').open(); write = journal.__enter__()\n"
        "answer = Completion(text='x', prompt_tokens=1, output_tokens=1, finish='end')\n"
        "for number in range(3): write(str(number), answer)\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 9
    assert list(Journal(tmp_path, "key").load()) == ["0", "1", "2"]


def test_the_key_follows_weights_and_decoding_and_the_question_its_own_words(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    key = compute_journal_key([tmp_path], {"seed": 1})
    assert compute_journal_key([tmp_path], {"seed": 1}) == key
    assert compute_journal_key([tmp_path], {"seed": 2}) != key
    (tmp_path / "weights").write_bytes(b"2")
    assert compute_journal_key([tmp_path], {"seed": 1}) != key
    keys = {compute_question_key(each) for each in (conversation(0), conversation(1), conversation(0, sample=1))}
    assert len(keys) == 3


def test_an_adapter_on_another_base_is_another_judge(tmp_path):
    bases = [tmp_path / name for name in ("one", "two")]
    for number, base in enumerate(bases):
        base.mkdir()
        (base / "weights").write_bytes(bytes([number]))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(bases[0])}))
    assert list_weights(adapter, None) == [adapter, bases[0]]
    keys = {compute_journal_key(list_weights(adapter, base), {}) for base in (None, *bases)}
    assert len(keys) == 2, "named or not, the same base is the same judge"
