"""How long machines are needed if all takes as long as the last time: by hand."""

from flows.remote.history import compute_minutes

GRAPH = {
    "prepare": set[str](),
    "train@direct": {"prepare"},
    "train@pairwise": {"prepare"},
    "merge": {"train@direct", "train@pairwise"},
    "evaluate@merged": {"merge"},
}
MINUTES = {"train@direct": 30.0, "train@pairwise": 50.0, "evaluate@merged": 8.0}


def test_side_by_side_the_longest_way_through_the_graph_counts() -> None:
    assert compute_minutes(GRAPH, MINUTES, 2) == 50 + 8
    assert compute_minutes(GRAPH, MINUTES, 3) == 50 + 8


def test_on_one_machine_all_of_them_count() -> None:
    assert compute_minutes(GRAPH, MINUTES, 1) == 30 + 50 + 8


def test_a_stage_that_needs_nothing_of_the_others_begins_at_once_on_a_machine_that_is_free() -> None:
    graph = {"a": set[str](), "b": {"a"}, "c": set[str](), "d": set[str]()}
    assert compute_minutes(graph, {"a": 10.0, "b": 10.0, "c": 5.0, "d": 12.0}, 2) == 20


def test_without_stages_on_machines_none_is_needed() -> None:
    assert compute_minutes(GRAPH, {}, 2) == 0
