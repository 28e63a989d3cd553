"""What a teacher costs: said before, stopped by the budget, and paid once, whoever is killed."""

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

import judgeforge
from judgeforge.errors import InputError
from judgeforge.params.teacher import TeacherParams
from tests.integration.endpoint.conftest import fail, say

from .conftest import PARAMS, Quota, count_rows, find_number, make_pairs, teach, tell, write_settings

PRICES = {"price_per_million_input": 1e6, "price_per_million_output": 2e6, "currency": "EUR"}


def test_the_cost_is_said_before_the_first_request_and_counted_after(servers, build, monkeypatch):
    server, said = servers(), []
    server.script = lambda n, body: say(tell(body), usage=(50, 7))
    monkeypatch.setattr("judgeforge.prepare.teacher.endpoint.say", lambda text: said.append((text, len(server.bodies))))
    teach(build(server, settings=PRICES), "pairwise", make_pairs(2))
    teach(build(server, settings=PRICES), "pairwise", make_pairs(3), make_pairs(5)[3:])
    (_, before), (_, after), (text, between), (last, _) = said
    assert (before, after, between) == (0, 2, 2)
    assert "5 questions, 2 of them answered already" in text and "300 answer tokens" in text
    prompts = sum(-(-len("\n".join(each["content"] for each in body["messages"])) // 4) for body in server.bodies[2:])
    assert f"{prompts + 2 * 300:,}.00 EUR; answers that are drawn again come on top" in text
    assert last == f"3 answers came: 150 prompt tokens and 21 answer tokens, {3 * (50 + 2 * 7):,}.00 EUR."
    said.clear()
    teach(build(server, settings=PRICES), "pairwise", make_pairs(5))
    assert not said and len(server.bodies) == 5


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_of_all_endpoints_is_used_up_and_never_exceeded(servers, build, concurrency):
    first, second = servers(), servers()
    first.script = second.script = lambda n, body: time.sleep(0.01) or say(tell(body), usage=(700, 50))
    settings = {"concurrency": concurrency}
    with pytest.raises(InputError, match=r"prepare\.teacher\.budget_tokens"):
        # A third of that is estimated for a prompt; the first answer, awaited alone, tells better.
        teach(build(first, second, settings=settings, budget_tokens=20_000), "pairwise", make_pairs(100))
    bodies = first.bodies + second.bodies
    assert len(bodies) == 26, "26 * 750 = 19,500 are spent, and the next might take 800"
    with pytest.raises(InputError, match=r"19,500 are spent"):
        teach(build(first, settings=settings, budget_tokens=20_000), "pairwise", make_pairs(100))
    assert len(first.bodies + second.bodies) == 26
    enough = build(first, second, settings=settings, budget_tokens=100 * 750 + 70)
    assert all(teach(enough, "pairwise", make_pairs(100))[0]) and len(first.bodies + second.bodies) == 100
    assert max(Counter(map(find_number, first.bodies + second.bodies)).values()) == 1


SCRIPT = """
import sys
from pathlib import Path
import polars as pl
import yaml
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.teacher import build_teacher
params = TeacherParams.model_validate(yaml.safe_load(Path("teacher.yaml").read_text()))
teacher = build_teacher(params, cache=Path("answers.sqlite"), batches=Path("batches"))
pairs = pl.read_parquet("pairs.parquet")
teacher.ask({"pairwise": lambda: iter([pairs])})
teacher.write_pairwise(pairs).to_frame().write_parquet("texts.parquet")
"""


def start(place: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(judgeforge.__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=place, env=environment, stderr=subprocess.PIPE)


@pytest.mark.parametrize("kills", [1, 4])
def test_kill_nine_in_the_middle_costs_no_answer_twice(servers, tmp_path, kills):
    one, other, quota = servers(), servers(), Quota(find_number, tell)
    one.script = other.script = quota.script
    names = write_settings(tmp_path, one, other, timeout_s=60)
    params = TeacherParams.model_validate(PARAMS | {"endpoints": names})
    (tmp_path / "teacher.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    make_pairs(120).write_parquet(tmp_path / "pairs.parquet")
    for kill in range(kills):
        quota.limit = 20 * (kill + 1)
        quota.kill_midway(start(tmp_path), tmp_path / "answers.sqlite", one, other)
        assert not (tmp_path / "texts.parquet").exists()
        assert count_rows(tmp_path / "answers.sqlite", "answers") == quota.limit
    quota.limit = 1000
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert quota.answered == Counter(range(120)), "each prompt was answered with 200 once"


def test_a_prompt_that_was_too_long_to_run_costs_nothing(servers, build, tmp_path):
    server = servers()
    server.script = lambda n, body: fail(400, "prompt is too long") if find_number(body) else say(tell(body))
    teacher = build(server, settings=PRICES)
    _, counts = teach(teacher, "pairwise", make_pairs(3))
    assert counts["dropped_for"] == {"prompt_too_long": 2}
    with sqlite3.connect(tmp_path / "answers.sqlite") as base:
        assert base.execute("SELECT prompt_tokens, output_tokens FROM spending").fetchall() == [(10, 5)]
    # A context can be made longer: they are asked again, for nothing.
    server.script = lambda n, body: say(tell(body))
    assert all(teach(build(server, budget_tokens=1000), "pairwise", make_pairs(3))[0])
