"""The journal: what was judged before a kill is not judged again, and a torn line costs one item only."""

from collections.abc import Iterator, Sequence

import pytest

from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.evaluate.journal import Journal
from judgeforge.evaluate.judging import compute_journal_key, judge


def conversation(number: int) -> Conversation:
    return Conversation(format="direct", messages=({"role": "user", "content": str(number)},))


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


def test_a_torn_last_line_is_dropped_and_the_next_one_stands_whole(tmp_path):
    journal = Journal(tmp_path, "key")
    journal.append([(0, completion("zero")), (1, completion("one"))])
    path = tmp_path / "key.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    conversations = [conversation(number) for number in range(3)]
    assert list(journal.load(conversations)) == [0]
    journal.append([(2, completion("two"))])
    assert {index: each.text for index, each in journal.load(conversations).items()} == {0: "zero", 2: "two"}


def test_garbage_lines_and_foreign_indices_are_passed_over(tmp_path):
    journal = Journal(tmp_path, "key")
    (tmp_path / "key.jsonl").write_bytes(b'\xff\xfe\n{"index": 0}\n[]\nnull\n')
    journal.append([(7, completion("beyond")), (1, completion("one"))])
    assert list(journal.load([conversation(0), conversation(1)])) == [1]


def test_another_key_is_another_journal_and_discard_clears_all(tmp_path):
    Journal(tmp_path, "old").append([(0, completion("stale"))])
    journal = Journal(tmp_path, "new")
    assert journal.load([conversation(0)]) == {}
    journal.append([(0, completion("fresh"))])
    journal.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_key_follows_weights_parameters_and_prompts(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    key = compute_journal_key(tmp_path, {"seed": 1}, [conversation(0)])
    assert compute_journal_key(tmp_path, {"seed": 1}, [conversation(0)]) == key
    assert compute_journal_key(tmp_path, {"seed": 2}, [conversation(0)]) != key
    assert compute_journal_key(tmp_path, {"seed": 1}, [conversation(1)]) != key
    (tmp_path / "weights").write_bytes(b"2")
    assert compute_journal_key(tmp_path, {"seed": 1}, [conversation(0)]) != key
