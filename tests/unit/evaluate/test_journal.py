"""The journal: what was answered before a kill is not asked again, and a torn line costs one answer only."""

from collections.abc import Iterator, Sequence

import pytest

from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.evaluate.journal import Journal, compute_question_key
from judgeforge.evaluate.judging import judge
from judgeforge.evaluate.run import compute_journal_key


def conversation(number: int, sample: int = 0) -> Conversation:
    return Conversation(format="direct", messages=({"role": "user", "content": str(number)},), sample=sample)


def completion(text: str) -> Completion:
    return Completion(text=text, prompt_tokens=1, output_tokens=1, finish="verdict")


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
        judge(CountingEngine(limit), conversations, Journal(tmp_path, "key"), "test")
    second = CountingEngine()
    completions = judge(second, conversations, Journal(tmp_path, "key"), "test")
    assert [each.text for each in completions] == [str(number) for number in range(40)]
    assert len(second.asked) == 40 - limit


def test_equal_questions_are_asked_once_and_samples_are_different_questions(tmp_path):
    engine = CountingEngine()
    conversations = [conversation(1), conversation(2), conversation(1), conversation(1, sample=1)]
    texts = [each.text for each in judge(engine, conversations, Journal(tmp_path, "key"), "test")]
    assert texts == ["1", "2", "1", "1"]
    assert sorted(engine.asked) == ["1", "1", "2"]


def test_a_run_with_other_questions_finds_those_it_shares(tmp_path):
    judge(CountingEngine(), [conversation(1), conversation(2)], Journal(tmp_path, "key"), "test")
    engine = CountingEngine()
    judge(engine, [conversation(3), conversation(2)], Journal(tmp_path, "key"), "test")
    assert engine.asked == ["3"]


def test_a_torn_last_line_is_dropped_and_the_next_one_stands_whole(tmp_path):
    journal = Journal(tmp_path, "key")
    journal.append([("0", completion("zero")), ("1", completion("one"))])
    path = tmp_path / "key.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert list(journal.load()) == ["0"]
    journal.append([("2", completion("two"))])
    assert {key: each.text for key, each in journal.load().items()} == {"0": "zero", "2": "two"}


def test_garbage_lines_are_passed_over(tmp_path):
    journal = Journal(tmp_path, "key")
    (tmp_path / "key.jsonl").write_bytes(b'\xff\xfe\n{"question": "a"}\n[]\nnull\n{"index": 0}\n')
    journal.append([("b", completion("one"))])
    assert list(journal.load()) == ["b"]


def test_another_key_is_another_journal_and_discard_clears_all(tmp_path):
    Journal(tmp_path, "old").append([("0", completion("stale"))])
    journal = Journal(tmp_path, "new")
    assert journal.load() == {}
    journal.append([("0", completion("fresh"))])
    journal.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_key_follows_weights_and_decoding_and_the_question_its_own_words(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    key = compute_journal_key(tmp_path, {"seed": 1})
    assert compute_journal_key(tmp_path, {"seed": 1}) == key
    assert compute_journal_key(tmp_path, {"seed": 2}) != key
    (tmp_path / "weights").write_bytes(b"2")
    assert compute_journal_key(tmp_path, {"seed": 1}) != key
    keys = {compute_question_key(each) for each in (conversation(0), conversation(1), conversation(0, sample=1))}
    assert len(keys) == 3
