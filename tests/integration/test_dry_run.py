"""Every recipe is loaded, validated and dry-run, without the weights of its base model."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from judgeforge.errors import InputError
from judgeforge.params import Params
from judgeforge.recipe import compose_recipe, render_params
from judgeforge.train.dry_run import LEARNT, plan_run, render_plan
from judgeforge.train.job import Job
from judgeforge.training_sets import EXAMPLES_SCHEMA, write_table
from tests.integration.bases import write_configuration

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.stem for path in (ROOT / "conf/recipe").glob("*.yaml"))
BIG = {"prometheus-2-7b", "prometheus-2-8x7b", "single-gpu-7b-lora"}
MISTRAL = 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096) + 2 * 32000 * 4096 + 4096
"""Of each layer queries and outputs, keys and values, the block, two norms; embeddings, head and the last norm."""
MIXTRAL = MISTRAL + 32 * (7 * 3 * 4096 * 14336 + 8 * 4096)
"""Of each layer seven blocks more, and the router."""
LORA_64 = 32 * 64 * (2 * 8192 + 2 * 5120 + 3 * 18432)
"""Rank times the two widths of each of seven linear layers."""
LORA_256 = 32 * 256 * (2 * 8192 + 2 * 5120 + 8 * (4096 + 28672) + 8 * (14336 + 4096))
"""Attention's four, and of eight experts gate and up as one and down; gate and up share their first factor."""


@pytest.fixture(scope="module")
def short_sets(tmp_path_factory):
    """Training sets whose rows are short in bytes, which are the miniature tokenizer's tokens."""
    folder = tmp_path_factory.mktemp("short")
    for format in ("direct", "pairwise"):
        for name, count in ((format, 9), (f"validation_{format}", 1)):
            rows = []
            for number in range(count):
                texts = {"system": "Be fair.", "user": f"Is {number} a prime?", "assistant": "No. [RESULT] 1"}
                messages = [{"role": role, "content": text} for role, text in texts.items()]
                owner = {"example_id": f"{name}-{number}", "prompt_id": str(number), "format": format}
                rows.append(owner | {"messages": messages, "scale": [1, 5]})
            write_table(pl.DataFrame(rows, schema=EXAMPLES_SCHEMA), folder / name / "part-00000.parquet")
    return folder


def compose(*names: str) -> Params:
    return Params.model_validate(compose_recipe(list(names), [], ROOT / "conf"))


def build_job(folder: Path, base: Path, data: Path, format: str) -> Job:
    places = {"out": folder / "out", "curve": folder / "curve", "checkpoints": folder / "checkpoints"}
    return Job(format=format, data=data, base=base, **places)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_dry_run(name, short_sets, tmp_path):
    params = compose(name)
    base = write_configuration(params.base.name, tmp_path / "base")
    before = sorted(tmp_path.rglob("*"))
    for format in (*params.matrix.warm_ups, *params.matrix.formats):
        plan = plan_run(params.train, build_job(tmp_path, base, short_sets, format))
        text = render_plan(plan)
        assert plan.rows == (18 if format in ("joint", "form") else 9) and plan.left_out == 0
        assert plan.memory.total > plan.memory.program > 0
        prompt, answer = plan.first.split(LEARNT[0])
        assert "Be fair." in prompt and answer == f"No. [RESULT] 1<|im_end|>{LEARNT[1]}"
        assert f"{plan.skeleton.parameters:,}" in text and "GB estimated" in text
    assert sorted(tmp_path.rglob("*")) == before, "a dry run writes nothing"


@pytest.mark.parametrize(
    ("name", "parameters", "trained", "updates"),
    [
        ("prometheus-2-7b", MISTRAL, MISTRAL, 3),
        ("prometheus-2-8x7b", MIXTRAL, LORA_256, 2),
        ("single-gpu-7b-lora", MISTRAL, LORA_64, 1),
    ],
)
def test_the_papers_models_are_counted_as_by_hand(name, parameters, trained, updates, short_sets, tmp_path):
    params = compose(name)
    base = write_configuration(params.base.name, tmp_path)
    plan = plan_run(params.train, build_job(tmp_path, base, short_sets, "direct"))
    assert (plan.skeleton.parameters, plan.skeleton.trained, plan.updates) == (parameters, trained, 1)
    alone = params.train.distribution.model_copy(update={"processes": 1})
    fewer = params.train.model_copy(update={"distribution": alone})
    # Eight processes learn a whole set this short in one update.
    assert plan_run(fewer, build_job(tmp_path, base, short_sets, "direct")).updates == updates
    assert (MISTRAL, MIXTRAL) == (7_241_732_096, 46_702_792_704)
    assert (LORA_64, LORA_256) == (167_772_160, 3_573_547_008)


def test_a_mixture_says_what_is_adapted_and_what_is_frozen(short_sets, tmp_path):
    params = compose("prometheus-2-8x7b")
    base = write_configuration(params.base.name, tmp_path)
    text = render_plan(plan_run(params.train, build_job(tmp_path, base, short_sets, "direct")))
    assert "k_proj, o_proj, q_proj, v_proj" in text and "down_proj, gate_up_proj of 8 experts" in text
    assert "gate, which choose among experts" in text and "no dropout, those of linear layers 0.1" in text


@pytest.mark.parametrize("names", [["prometheus-2-7b", "baselines"], ["single-gpu-7b-lora", "baselines"], ["joint"]])
def test_the_papers_baselines_are_in_one_table(names):
    params = compose(*names)
    assert {"base", "direct", "pairwise", "joint", "merged"} <= set(params.matrix.judges)
    assert params.matrix.formats == ("direct", "pairwise", "joint")


@pytest.mark.parametrize("name", sorted(BIG))
def test_recipes_that_nobody_ran_say_so_and_pin_their_base(name):
    params, text = compose(name), (ROOT / "conf/recipe" / f"{name}.yaml").read_text()
    assert params.base.source == "hub" and len(params.base.revision) == 40
    assert "Not run here" in " ".join(text.replace("#", " ").split())


def test_the_command_prints_the_plan_and_writes_nothing(short_sets, tmp_path):
    document = compose_recipe(["smoke"], [], ROOT / "conf")
    (tmp_path / "params.yaml").write_text(render_params(document, "test"))
    base = write_configuration("two-layers", tmp_path / "base")
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "judgeforge.train", "--format", "direct", "--data", str(short_sets), "--dry-run"]
    command += ["--base", str(base), "--out", "out", "--curve", "curve", "--checkpoints", "checkpoints"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Dry run: direct by lora") and "updates      3 of 4 x 1 rows" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before
    document["train"]["max_length_tokens"] = 10
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == InputError.exit_code and "over 10 tokens" in done.stderr


def test_a_base_that_is_not_there_is_named(short_sets, tmp_path, small_train_params):
    with pytest.raises(InputError, match="There is no base model"):
        plan_run(small_train_params, build_job(tmp_path, tmp_path / "none", short_sets, "direct"))
