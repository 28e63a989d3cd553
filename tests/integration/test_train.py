"""Training on a miniature model: what is learnt, what is written, and that a killed run loses nothing."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from judgeforge.engines.transformers import load_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.train.checkpoints import compute_run_key, find_newest, seal
from judgeforge.train.dataset import load_examples, load_lineage
from judgeforge.train.model import load_tokenizer
from judgeforge.train.order import EpochOrder
from judgeforge.train.tokens import tokenize_examples
from judgeforge.training_sets import EXAMPLES_SCHEMA, load_judge_lineage, write_judge_lineage, write_table


def weights(folder: Path) -> dict[str, torch.Tensor]:
    name = "adapter_model.safetensors" if (folder / "adapter_model.safetensors").is_file() else "model.safetensors"
    return load_file(folder / name)


class Killed(Exception):
    """The run's process goes away."""


class KillingRun:
    def __init__(self, step: int) -> None:
        self.step = step

    def set_tags(self, tags):
        pass

    def log_metrics(self, values, step=None):
        if step == self.step:
            raise Killed


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_lowers_the_loss_and_writes_a_judge(method, dtype, train, tmp_path, recorded_run):
    out = train(tmp_path / "judge", method=method, dtype=dtype, learning_rate=0.01, epochs=6, loss_chunk_tokens=8)
    losses = [values["loss"] for _, values in recorded_run.points if "loss" in values]
    assert losses[-1] < losses[0] - 0.15
    assert any("tokens_per_second" in values for _, values in recorded_run.points)
    assert {"tokenizer.json", "chat_template.jinja", "judge_template.json", "training.json"} <= {
        path.name for path in out.iterdir()
    }
    assert not list(out.rglob("*.bin")), "weights are safetensors only"
    curve = load_json_rows(out.with_suffix(".jsonl"))
    assert curve[0].keys() == {"step", "loss", "learning_rate", "gradient_norm", "epoch"}
    assert "validation_loss" in curve[-1]


def test_same_seed_gives_the_same_weights_and_curve(train, tmp_path):
    first, second = train(tmp_path / "one"), train(tmp_path / "two")
    assert all(torch.equal(tensor, weights(second)[name]) for name, tensor in weights(first).items())
    assert first.with_suffix(".jsonl").read_text() == second.with_suffix(".jsonl").read_text()
    # peft keeps them as a set, whose order is another in each process: DVC would see another judge.
    targets = json.loads((first / "adapter_config.json").read_text())["target_modules"]
    assert len(targets) > 2 and targets == sorted(targets)


def test_activations_that_are_computed_again_change_nothing(train, tmp_path):
    kept, again = (train(tmp_path / str(each), gradient_checkpointing=each, epochs=1) for each in (False, True))
    for name, tensor in weights(kept).items():
        torch.testing.assert_close(weights(again)[name], tensor, rtol=0, atol=1e-6)
    assert any(tensor.any() for name, tensor in weights(again).items() if "lora_B" in name), "adapters have learnt"


@pytest.mark.parametrize(("killed_at", "resumes_from"), [(3, 2), (5, 4), (7, 6)])
def test_a_killed_run_resumes_and_ends_where_an_uninterrupted_one_does(killed_at, resumes_from, train, tmp_path):
    """An epoch is four updates: the kills fall into the first, right behind its end, and into the second."""
    whole = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", run=KillingRun(killed_at))
    checkpoints = next(each for each in (tmp_path / "checkpoints" / "killed").iterdir() if each.name != "tokens")
    assert find_newest(checkpoints).name == f"checkpoint-{resumes_from}"
    assert not (tmp_path / "killed").exists(), "a judge appears whole or not at all"
    resumed = train(tmp_path / "killed")
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())
    assert resumed.with_suffix(".jsonl").read_text() == whole.with_suffix(".jsonl").read_text()
    assert not checkpoints.exists(), "checkpoints go once the judge is written"


def test_a_run_killed_after_its_end_takes_its_last_weights(train, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", epochs=1.5)
    with monkeypatch.context() as patch:
        patch.setattr("judgeforge.train.run.write_judge", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(tmp_path / "killed", epochs=1.5)
    resumed = train(tmp_path / "killed", epochs=1.5)
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())
    assert resumed.with_suffix(".jsonl").read_text() == whole.with_suffix(".jsonl").read_text()


def test_the_curve_does_not_show_where_a_run_was_resumed(train, tmp_path):
    """Points after five and ten updates; killed at the tenth, resumed from the eighth."""
    whole = train(tmp_path / "whole", epochs=3, log_every_steps=5)
    with pytest.raises(Killed):
        train(tmp_path / "killed", epochs=3, log_every_steps=5, run=KillingRun(10))
    resumed = train(tmp_path / "killed", epochs=3, log_every_steps=5)
    assert resumed.with_suffix(".jsonl").read_text() == whole.with_suffix(".jsonl").read_text()


def test_what_is_beside_the_point_may_change(train, tmp_path, capsys):
    with pytest.raises(Killed):
        train(tmp_path / "judge", run=KillingRun(5))
    train(tmp_path / "judge", bad_update="skip", keep_checkpoints=5)
    assert "Resuming direct from checkpoint-4" in capsys.readouterr().err


def test_a_torn_checkpoint_does_not_push_out_a_whole_one(train, tmp_path):
    with pytest.raises(Killed):
        train(tmp_path / "judge", run=KillingRun(7))
    (folder,) = {path.parent for path in (tmp_path / "checkpoints" / "judge").glob("*/checkpoint-*")}
    (folder / "checkpoint-6" / "COMPLETE").unlink()
    with pytest.raises(Killed):
        train(tmp_path / "judge", run=KillingRun(5))
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-4"], "the torn one is gone"


def test_a_look_at_no_validation_set_is_refused(train, tmp_path, training_sets):
    data = tmp_path / "data"
    shutil.copytree(training_sets, data)
    write_table(pl.DataFrame([], schema=EXAMPLES_SCHEMA), data / "validation_direct" / "part-00000.parquet")
    with pytest.raises(InputError, match="The validation set of direct has no row"):
        train(tmp_path / "judge", data=data, validate_every_steps=2)


def test_liger_without_a_gpu_is_refused(train, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=r"train\.liger is true, but"):
        train(tmp_path / "judge", liger=True)


def test_a_changed_parameter_starts_afresh(train, tmp_path):
    with pytest.raises(Killed):
        train(tmp_path / "judge", run=KillingRun(5))
    fresh = train(tmp_path / "other", learning_rate=0.005)
    changed = train(tmp_path / "judge", learning_rate=0.005)
    assert all(torch.equal(tensor, weights(changed)[name]) for name, tensor in weights(fresh).items())


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    for step in (2, 10, 14, 18, 22):
        folder = tmp_path / f"checkpoint-{step}"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "weights").write_bytes(b"x" * step)
        if step < 22:
            seal(folder)
    (tmp_path / "checkpoint-18" / "COMPLETE").write_text("")
    (tmp_path / "checkpoint-14" / "inner" / "weights").write_bytes(b"x" * 13)
    assert find_newest(tmp_path) == tmp_path / "checkpoint-10"
    (tmp_path / "checkpoint-10" / "inner" / "weights").unlink()
    assert find_newest(tmp_path) == tmp_path / "checkpoint-2"
    assert find_newest(tmp_path / "none") is None


def test_run_key_follows_contents(tmp_path):
    file = tmp_path / "data"
    file.write_text("a")
    before = compute_run_key({"x": 1}, [file])
    assert compute_run_key({"x": 1}, [file]) == before
    assert compute_run_key({"x": 2}, [file]) != before
    file.write_text("b")
    assert compute_run_key({"x": 1}, [file]) != before


def test_each_epoch_has_its_own_order():
    order = EpochOrder(64, seed=1)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(64)) and first != second
    order.set_epoch(0)
    assert list(order) == first


def test_long_rows_are_left_out_and_counted_and_none_left_is_an_error(train, tmp_path, miniature, training_sets):
    table, left_out = tokenize_examples(load_examples(training_sets, "direct"), load_tokenizer(miniature), 10)
    assert len(table) == 0 and len(left_out) == 8
    with pytest.raises(InputError, match=r"All 8 rows .* over 10 tokens.*max_length_tokens"):
        train(tmp_path / "judge", max_length_tokens=10)


def test_joint_is_both_sets(training_sets):
    formats = [example.format for example in load_examples(training_sets, "joint")]
    assert formats == ["direct"] * 8 + ["pairwise"] * 8


def write_broken(path: Path, kind: str) -> None:
    path.parent.mkdir()
    good = {"example_id": "1", "prompt_id": "p", "format": "direct", "messages": [], "scale": [1, 5]}
    if kind == "no Parquet":
        path.write_bytes(b"\xff\xfe")
    elif kind == "other columns":
        pl.DataFrame({"example_id": ["1"]}).write_parquet(path)
    elif kind == "other types":
        pl.DataFrame([good | {"prompt_id": 1}]).write_parquet(path)
    else:
        rows = [good | {"format": "neither"}] if kind == "other values" else []
        write_table(pl.DataFrame(rows, schema=EXAMPLES_SCHEMA), path)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("no row", "is empty"),
        ("other values", "Row 1 of .*direct is no training example"),
        ("other types", "column prompt_id holds Int64"),
        ("other columns", "part-00000.parquet is broken"),
        ("no Parquet", "part-00000.parquet is broken"),
    ],
)
def test_bad_training_files_are_named(tmp_path, kind, complaint):
    write_broken(tmp_path / "direct" / "part-00000.parquet", kind)
    with pytest.raises(InputError, match=complaint):
        load_examples(tmp_path, "direct")
    with pytest.raises(InputError, match="There is no training set"):
        load_examples(tmp_path, "pairwise")


def test_more_adapted_layers_than_there_are_is_an_error(train, tmp_path, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": 7})
    with pytest.raises(InputError, match="has 2 layers"):
        train(tmp_path / "judge", lora=lora)


def test_a_judge_tells_which_rows_it_has_seen_its_start_included(train, tmp_path, miniature):
    judge = train(tmp_path / "judge", "joint")
    lineage = load_judge_lineage(judge)
    assert set(lineage["row_id"]) == {*(f"x:{n}" for n in range(8)), "x:9"}
    folder = lineage["set"][0].split("/")[0]
    sets = {f"{folder}/{prefix}{name}" for name in ("direct", "pairwise") for prefix in ("", "validation_")}
    assert set(lineage["set"]) == sets
    write_judge_lineage([lineage.with_columns(pl.lit("form/direct").alias("set"))], tmp_path / "start")
    shutil.copytree(miniature, tmp_path / "start", dirs_exist_ok=True)
    further = train(tmp_path / "further", "direct", base=tmp_path / "start")
    assert set(load_judge_lineage(further)["set"]) == {"form/direct", f"{folder}/direct", f"{folder}/validation_direct"}


def test_rows_left_out_for_their_length_were_not_seen(training_sets, miniature):
    _, left_out = tokenize_examples(load_examples(training_sets, "direct"), load_tokenizer(miniature), 10)
    assert left_out == [f"direct-{n}" for n in range(8)]
    assert set(load_lineage(training_sets, "direct", left_out)["example_id"]) == {"direct-9"}


def test_a_missing_base_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no base model in .*absent"):
        load_tokenizer(tmp_path / "absent")


def test_the_form_is_full_weights_that_decode_as_the_adapter_of_both_formats_does(train, tmp_path, miniature):
    adapter, folded = train(tmp_path / "adapter", "joint"), train(tmp_path / "folded", "form")
    assert not (folded / "adapter_config.json").exists() and (folded / "model.safetensors").is_file()
    apart, whole = (load_weights(folder, miniature, "float32").eval() for folder in (adapter, folded))
    ids = torch.arange(3, 43).unsqueeze(0)
    with torch.no_grad():
        torch.testing.assert_close(whole(ids).logits, apart(ids).logits, rtol=1e-4, atol=1e-5)
    before = load_file(miniature / "model.safetensors")
    after = load_file(folded / "model.safetensors")
    assert set(after) == set(before) and any(not torch.equal(after[name], before[name]) for name in before)


def test_judge_says_what_it_was_trained_on(train, tmp_path):
    recorded = json.loads((train(tmp_path / "judge") / "training.json").read_text())
    assert recorded["format"] == "direct" and recorded["train"]["method"] == "lora"
