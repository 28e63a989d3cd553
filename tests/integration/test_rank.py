"""``judgeforge rank`` through the real program, on a random model whose verdicts are constrained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from judgeforge.grading.templates import write_template

ROOT = Path(__file__).parents[2]


def test_three_responses_are_ranked_and_the_cost_is_said_first(tmp_path, train, template):
    judge = train(tmp_path / "judge")
    write_template(template, judge)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"constrained": True, "max_new_tokens": 24, "dtype": "float32"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    rubric = {"criteria": "Is it prime?", "levels": ["no", "hardly", "half", "nearly", "yes"]}
    (tmp_path / "rubric.yaml").write_text(yaml.safe_dump(rubric))
    command = [sys.executable, "-m", "judgeforge.cli", "rank", "--model", str(judge), "--rubric", "rubric.yaml"]
    command += ["--instruction", "Name a prime.", "--response", "9", "--response", "7", "--response", "8", "--json"]
    for by, judgments in (("scores", 3), ("pairs", 6)):
        done = subprocess.run(
            [*command, "--by", by], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"3 responses by {by}: {judgments} judgments at most." in done.stderr
        places = json.loads(done.stdout)
        assert sorted(place["response"] for place in places) == [0, 1, 2]
        assert sum(place["rank"] for place in places) == 6
        values = [place["value"] for place in places]
        assert values == sorted(values, reverse=True)
    alone = subprocess.run(
        [*command[:-7], "--response", "9"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 2 and "One response cannot be ranked" in alone.stderr
