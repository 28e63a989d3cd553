import pytest

from flows.pipeline import explain_dvc, find_downstream, is_busy, parse_graph, select_stages
from judgeforge.errors import EnvironmentFault, InputError

DOT = """strict digraph {
"base";
"prepare";
"train@direct";
"train@pairwise";
"merge";
"evaluate@base";
"base" -> "train@direct";
"base" -> "train@pairwise";
"base" -> "evaluate@base";
"prepare" -> "train@direct";
"prepare" -> "train@pairwise";
"train@direct" -> "merge";
"train@pairwise" -> "merge";
}
"""


def test_the_graph_is_read_with_each_stages_needs() -> None:
    graph = parse_graph(DOT)
    assert graph == {
        "base": set(),
        "prepare": set(),
        "train@direct": {"base", "prepare"},
        "train@pairwise": {"base", "prepare"},
        "merge": {"train@direct", "train@pairwise"},
        "evaluate@base": {"base"},
    }


def test_everything_below_a_stage_is_found() -> None:
    graph = parse_graph(DOT)
    assert find_downstream(graph, ["train@direct"]) == {"train@direct", "merge"}
    assert find_downstream(graph, ["prepare"]) == {"prepare", "train@direct", "train@pairwise", "merge"}
    assert find_downstream(graph, []) == set()


def test_only_stale_stages_and_those_below_them_are_chosen_and_wait_for_each_other_only() -> None:
    chosen = select_stages(parse_graph(DOT), {"train@direct"})
    assert chosen == {"train@direct": set(), "merge": {"train@direct"}}


def test_the_longest_tail_starts_first_so_that_training_does_not_wait_for_side_work() -> None:
    order = list(select_stages(parse_graph(DOT), {"base", "prepare", "evaluate@base"}))
    assert order[0] == "base"
    assert order.index("train@direct") < order.index("evaluate@base")


def test_a_stale_stage_that_dvc_does_not_know_is_ignored() -> None:
    assert select_stages(parse_graph(DOT), {"data.dvc"}) == {}


@pytest.mark.parametrize(
    ("output", "kind", "said"),
    [
        ("ERROR: you are not inside of a DVC repository (checked up to /)\n", InputError, "no DVC project"),
        ("'./dvc.yaml' is invalid.\n\nMapping values are not allowed", InputError, "'./dvc.yaml' is invalid"),
        ("ERROR: failed to reproduce 'm': dependency 'x' does not exist", InputError, "dependency 'x' does not exist"),
        ("ERROR: Unable to acquire lock. Most likely another DVC process", EnvironmentFault, "Another DVC process"),
        ("ERROR: 'models/a' is busy, it is being blocked by:\n  (PID 3)", EnvironmentFault, "Another DVC process"),
        (
            'ERROR: unexpected error - Could not connect to the endpoint URL: "http://127.0.0.1:1/b/p/runs"\n\nHaving',
            EnvironmentFault,
            "DVC's remote does not answer",
        ),
        ("ERROR: unexpected error - An error occurred (SlowDown) when calling", EnvironmentFault, "does not answer"),
        ("", InputError, "no message"),
    ],
)
def test_dvcs_own_refusals_are_explained(output: str, kind: type[Exception], said: str) -> None:
    error = explain_dvc(output)
    assert type(error) is kind
    assert said in str(error)


def test_only_a_held_lock_counts_as_busy() -> None:
    assert is_busy("ERROR: Unable to acquire lock. Most likely another DVC process is running")
    assert not is_busy("ERROR: failed to reproduce 'm': dependency 'x' does not exist")
