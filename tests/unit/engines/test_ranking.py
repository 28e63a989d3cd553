"""Ranking several responses: the schedule, the cost that is said, points and shared ranks."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.engines.ranking import Candidates, count_judgments, rank_responses, schedule_pairs
from judgeforge.grading.records import Rubric
from judgeforge.grading.templates import load_template

TEMPLATE = load_template("judgeforge-1")
RUBRIC = Rubric(criteria="Is it large?", levels=("1", "2", "3", "4", "5"))


class NumberEngine:
    """Grades a response by its number, prefers the larger one, and is silent where a response is no number."""

    def __init__(self) -> None:
        self.asked = 0

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in enumerate(conversations):
            self.asked += 1
            yield index, Completion(text=self.say(each), prompt_tokens=1, output_tokens=1, finish="end")

    def say(self, conversation: Conversation) -> str:
        prompt = conversation.messages[1]["content"]
        if conversation.format == "direct":
            text = prompt.split("###Response to evaluate:\n")[1].split("\n")[0]
            return f"So. [RESULT] {text}" if text.isdigit() else "What?"
        first, second = (prompt.split(f"###Response {name}:\n")[1].split("\n")[0] for name in "AB")
        if not (first.isdigit() and second.isdigit()):
            return "What?"
        return f"So. [RESULT] {'A' if int(first) >= int(second) else 'B'}"


@given(responses=st.integers(2, 12))
def test_all_rounds_let_each_meet_each_once_and_no_round_meets_anyone_twice(responses: int) -> None:
    assert sorted(schedule_pairs(responses, None)) == list(combinations(range(responses), 2))
    for rounds in range(1, responses):
        shown = schedule_pairs(responses, rounds)
        assert len(set(shown)) == len(shown) == rounds * (responses // 2) or rounds >= responses - 1 + responses % 2
        first = [index for pair in schedule_pairs(responses, 1) for index in pair]
        assert len(set(first)) == len(first)


def rank(responses: Sequence[str], by: str, rounds: int | None = None) -> tuple[list[tuple[int, float]], int]:
    engine = NumberEngine()
    candidates = Candidates("Name a large number.", tuple(responses), RUBRIC)
    places = rank_responses(engine, TEMPLATE, candidates, by, rounds)  # type: ignore[arg-type]
    most = count_judgments(len(responses), by, rounds)  # type: ignore[arg-type]
    assert engine.asked == most if len(set(responses)) == len(responses) else engine.asked < most
    return [(place.response, place.rank) for place in places], engine.asked


def test_scores_rank_with_shared_places_and_the_silent_last() -> None:
    assert rank(["2", "5", "what", "5", "1"], "scores") == ([(1, 1.5), (3, 1.5), (0, 3), (4, 4), (2, 5)], 4)


class UnsureEngine(NumberEngine):
    """Says the same score of all, but is surer of larger numbers."""

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in enumerate(conversations):
            number = int(self.say(each).split()[-1])
            chances = {"4": 1 - number / 10, "5": number / 10}
            yield (
                index,
                Completion(
                    text="So. [RESULT] 4", prompt_tokens=1, output_tokens=1, finish="verdict", probabilities=chances
                ),
            )


def test_by_expectation_equal_scores_still_rank() -> None:
    candidates = Candidates("Name a large number.", ("1", "3", "2"), RUBRIC)
    places = rank_responses(UnsureEngine(), TEMPLATE, candidates, "scores")
    assert [(place.response, round(place.value, 6)) for place in places] == [(1, 4.3), (2, 4.2), (0, 4.1)]


def test_pairs_rank_by_points_of_both_orders() -> None:
    # Equal numbers: the first shown is named, so each gets one of two points, and they share a place.
    assert rank(["2", "5", "5", "1"], "pairs") == ([(1, 1.5), (2, 1.5), (0, 3), (3, 4)], 7), (
        "equal pairs are judged once"
    )


def test_one_round_costs_a_judgment_a_response() -> None:
    _, asked = rank(["2", "5", "3", "1"], "pairs", rounds=1)
    assert asked == 4
