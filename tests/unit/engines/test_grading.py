"""Grading items: equal ones are asked once, and a judge's words are shown as they are."""

from collections.abc import Iterator, Sequence

from judgeforge.cli.grade import _print_rows
from judgeforge.engines.grading import compute_expected_score, grade_items
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.grading.records import DirectItem, Rubric
from judgeforge.grading.templates import load_template

RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "partly", "mostly", "yes"))


def item(number: int, response: str) -> DirectItem:
    return DirectItem(item_id=f"i{number}", prompt_id="p", instruction="Add.", response=response, rubric=RUBRIC)


class CountingEngine:
    """Gives 5 to a response of one character, otherwise 1; backwards, as engines may."""

    asked = 0

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in reversed(list(enumerate(conversations))):
            self.asked += 1
            short = "evaluate:\n5\n" in each.messages[1]["content"]
            yield (
                index,
                Completion(text=f"So. [RESULT] {5 if short else 1}", prompt_tokens=1, output_tokens=1, finish="end"),
            )


def test_equal_items_are_asked_once_and_all_get_the_answer() -> None:
    engine = CountingEngine()
    items = [item(n, text) for n, text in enumerate(("5", "six", "5", "6 6", "six", "5"))]
    found = grade_items(engine, items, load_template("judgeforge-1"))
    assert [verdict.score for verdict, _ in found] == [5, 1, 5, 1, 1, 5]
    assert engine.asked == 3


def test_expected_scores_are_of_scores_alone() -> None:
    def weigh(chances) -> float | None:
        return compute_expected_score(
            Completion(text="x", prompt_tokens=1, output_tokens=1, finish="verdict", probabilities=chances)
        )

    assert weigh({"1": 0.25, "5": 0.75}) == 4.0
    assert weigh({"A": 0.25, "B": 0.75}) is None
    assert weigh(None) is None


def test_brackets_in_feedback_are_no_markup(capsys) -> None:
    words = "It ends [/INST] with [link] and list[0]."
    _print_rows([{"feedback": words, "score": 4, "format": "direct"}], [item(1, "x")], as_json=False)
    assert words in capsys.readouterr().out
