"""What DVC knows: the graph of the stages, and which of them are stale. Asked by its command line, its stable side."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping

from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError

Graph = dict[str, set[str]]
"""Stage to the stages it needs."""

_NODE = re.compile(r'^"([^"]+)";$')
_EDGE = re.compile(r'^"([^"]+)" -> "([^"]+)";$')
_AWAY = re.compile(
    r"could not connect|connection (was )?(refused|reset|aborted|closed)|timed? ?out|name resolution|slow ?down"
    r"|service ?unavailable|cannot connect to host|server disconnected",
    re.IGNORECASE,
)
"""What DVC's remotes say when their server does not answer: botocore, aiohttp, S3 itself."""

_BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")


def find_stale_stages() -> set[str]:
    """Ask DVC which stages' code, parameters, inputs or outputs differ from what dvc.lock records.

    Raises:
        InputError: there is no DVC project here, or dvc.yaml or params.yaml is wrong.
        EnvironmentFault: another DVC process holds the project.
    """
    try:
        return set(json.loads(ask_dvc("status", "--json")))
    except json.JSONDecodeError as error:
        raise InputError("'dvc status --json' answered with something else.", "check the installed dvc.") from error


def load_graph() -> Graph:
    """Ask DVC for all stages, in the order of dvc.yaml, each with the stages it needs.

    Raises:
        InputError, EnvironmentFault: as ``find_stale_stages``.
    """
    return parse_graph(ask_dvc("dag", "--dot"))


def parse_graph(dot: str) -> Graph:
    """Read the graph from DVC's DOT text, where an arrow leads from a stage to one that needs it."""
    graph: Graph = {}
    for line in map(str.strip, dot.splitlines()):
        if node := _NODE.match(line):
            graph.setdefault(node[1], set())
        elif edge := _EDGE.match(line):
            graph.setdefault(edge[1], set())
            graph.setdefault(edge[2], set()).add(edge[1])
    return graph


def find_downstream(graph: Mapping[str, set[str]], stages: Iterable[str]) -> set[str]:
    """Return ``stages`` and every stage that needs one of them, directly or not."""
    found, waiting = set(), list(stages)
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            waiting += [name for name, needs in graph.items() if stage in needs]
    return found


def find_upstream(graph: Mapping[str, set[str]], stage: str) -> set[str]:
    """Return every stage that ``stage`` needs, directly or not."""
    found, waiting = set(), [*graph.get(stage, ())]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
    return found


def select_stages(graph: Graph, stale: set[str]) -> Graph:
    """Cut ``graph`` down to what may have to run: stale stages and all below them, the longest tail first."""
    chosen = find_downstream(graph, stale)
    order = sorted((name for name in graph if name in chosen), key=lambda name: -len(find_downstream(graph, [name])))
    return {name: graph[name] & chosen for name in order}


def is_busy(output: str) -> bool:
    """Whether DVC gave up because another DVC process held the project or a file: it waits for three seconds only."""
    return any(sign in output for sign in _BUSY)


def explain_dvc(output: str) -> JudgeforgeError:
    """Turn what a failed DVC command printed into an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = (errors or [" ".join(lines) or "no message"])[0].rstrip(".")
    if is_busy(output):
        return EnvironmentFault(f"Another DVC process is at work here: {said}.", "wait for it, or end it.")
    if _AWAY.search(said):
        return EnvironmentFault(f"DVC's remote does not answer: {said}.", "see whether it is reachable from here.")
    if "not inside of a DVC repository" in output:
        return InputError(f"This is no DVC project: {said}.", "change to the repository's root, or run 'dvc init'.")
    return InputError(f"DVC refuses: {said}.", "correct dvc.yaml or params.yaml, or what the message names.")


def ask_dvc(*arguments: str) -> str:
    """Run DVC's command line here and return what it prints.

    Raises:
        InputError, EnvironmentFault: it refuses (see ``explain_dvc``).
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise explain_dvc(answer.stderr or answer.stdout)
    return answer.stdout
