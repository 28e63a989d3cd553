"""The search: candidates as adapters and in full, resumed after a kill, and what the stage merge makes of a choice."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from judgeforge.engines import asking
from judgeforge.engines.transformers import load_weights
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json, write_json
from judgeforge.merge.choice import load_choice
from judgeforge.merge.run import merge_judges
from judgeforge.search.candidates import Kitchen, list_candidates, open_kitchen
from judgeforge.search.judging import Bench
from judgeforge.search.run import Places, search_merges, write_no_search
from judgeforge.weights import checks
from judgeforge.weights.combine import can_be_combined
from judgeforge.weights.drift import BrokenMergeError
from judgeforge.weights.parts import JudgePart

ROOT = Path(__file__).parents[3]


@pytest.fixture
def judges(train, tmp_path):
    """Two adapters that differ in rank and scale."""
    direct = train(tmp_path / "direct", learning_rate=0.05)
    pairwise = train(tmp_path / "pairwise", format="pairwise", learning_rate=0.05)
    return direct, pairwise


@pytest.fixture
def merge_values(params):
    return params.merge.model_copy(update={"dtype": "float32", "canary": False})


@pytest.fixture
def places(judges, training_sets, miniature, tmp_path):
    (tmp_path / "journal").mkdir()
    return Places(training_sets, miniature, *judges, tmp_path / "search", tmp_path / "journal")


@pytest.fixture
def evaluate_values(params):
    changes = {"max_new_tokens": 8, "batch_size": 4, "dtype": "float32", "bootstrap_resamples": 50}
    return params.evaluate.model_copy(update=changes)


def list_parts(places):
    return [JudgePart(name, getattr(places, name), places.base) for name in ("direct", "pairwise")]


def check_candidate(values, places, folder):
    """A candidate has the weights of the merge; returns what kind of folder it was."""
    merge_judges(values, places.base, places.direct, places.pairwise, folder)
    opened = open_kitchen(list_parts(places), places.base, [values], places.journal)
    with opened as kitchen, kitchen.make(values) as made:
        config = load_json(made / "adapter_config.json") if (made / "adapter_config.json").is_file() else None
        found = load_weights(made, places.base, "float32").state_dict()
    for name, tensor in load_file(folder / "model.safetensors").items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6)
    assert not list(places.journal.iterdir()), "a candidate's weights do not stay"
    return config


@pytest.mark.parametrize(("method", "scaling"), [("linear", 1.0), ("task_arithmetic", 1.7), ("ties", 1.0)])
def test_a_candidate_has_the_weights_of_the_merge(method, scaling, places, merge_values, tmp_path):
    values = merge_values.model_copy(update={"method": method, "alpha": 0.3, "scaling": scaling})
    config = check_candidate(values, places, tmp_path / "merged")
    assert (config is not None) == can_be_combined(values, list_parts(places)) == (method != "ties")


def test_adapters_of_other_layers_and_ranks_are_combined(train, places, merge_values, small_train_params, tmp_path):
    lora = small_train_params.lora.model_copy(update={"rank": 3, "last_layers": None})
    deeper = train(tmp_path / "deeper", format="pairwise", learning_rate=0.05, lora=lora)
    config = check_candidate(
        merge_values.model_copy(update={"alpha": 0.4}), replace(places, pairwise=deeper), tmp_path / "merged"
    )
    assert config["r"] == 5
    # Of the one judge the last layer alone is adapted, of the other all; named whole, nothing else is meant.
    assert all(name.startswith("model.layers.") for name in config["target_modules"])


def widen(folder, rank):
    """Give an adapter a higher rank, empty in the rest."""
    weights = load_file(folder / "adapter_model.safetensors")
    wide = {}
    for name, each in weights.items():
        sizes = (rank, each.shape[1]) if ".lora_A." in name else (each.shape[0], rank)
        wide[name] = torch.zeros(sizes)
        wide[name][: each.shape[0], : each.shape[1]] = each
    save_file(wide, folder / "adapter_model.safetensors")
    write_json(folder / "adapter_config.json", load_json(folder / "adapter_config.json") | {"r": rank})


def test_adapters_of_a_rank_that_no_engine_runs_are_written_in_full(places, merge_values):
    assert can_be_combined(merge_values, list_parts(places))
    for folder in (places.direct, places.pairwise):
        widen(folder, 300)
    assert not can_be_combined(merge_values, list_parts(places))


def test_what_is_searched_is_the_grid_and_what_stands_in_merge(params, merge_values):
    searched = params.search.model_copy(
        update={"methods": ("linear", "dare_ties"), "alphas": (0.3, 0.5), "densities": (0.5, 0.9), "seeds": (1, 2)}
    )
    found = list_candidates(searched, merge_values)
    # Linear at 0.5 is what stands there; at 0.3 it is new; dare_ties: two weights, two densities, two seeds.
    assert len(found) == 1 + 1 + 8 and found[0] == merge_values
    assert len({each.describe() for each in found}) == 10
    assert found[-1].describe() == "dare_ties, alpha 0.5, scaling 1, density 0.9, seed 2"


def set_search(params, **changes):
    values = {"enabled": True, "methods": ("linear", "ties"), "alphas": (0.0, 0.5), "only_proven": False} | changes
    return params.search.model_copy(update=values)


def search(params, places, merge_values, evaluate_values, **changes):
    points = []
    chosen = search_merges(
        set_search(params, **changes),
        merge_values,
        evaluate_values,
        places,
        lambda figures, number: points.append((number, figures)),
    )
    return chosen, points


def test_a_search_writes_table_and_choice(params, places, merge_values, evaluate_values):
    chosen, points = search(params, places, merge_values, evaluate_values)
    table = pl.read_csv(places.out / "candidates.csv")
    assert table["name"].to_list()[0] == "linear, alpha 0.5" and table.height == 4
    assert {"pearson", "pearson_low", "pearson_difference_high", "accuracy", "objective"} <= set(table.columns)
    assert table.filter("chosen")["name"].to_list() == [chosen["name"]]
    assert [number for number, _ in points] == [0, 1, 2, 3]
    choice = load_json(places.out / "choice.json")
    assert choice["searched"] and choice["values"]["method"] == chosen["method"]
    assert set(choice["values"]) == {"method", "alpha", "scaling", "density", "seed"}
    # The merge follows the choice: for these judges and these sections.
    path, searched = places.out / "choice.json", set_search(params)
    found = load_choice(merge_values, searched, path)
    judges = places.direct, places.pairwise
    merge_judges(found.values, places.base, *judges, places.out.parent / "merged", found.inputs)
    with pytest.raises(InputError, match=r"merge.alpha is 0.9, and was 0.5 when .*choice.json was written"):
        load_choice(merge_values.model_copy(update={"alpha": 0.9}), searched, path)
    with pytest.raises(InputError, match=r"search.enabled is False, and was True when"):
        load_choice(merge_values, params.search, path)
    with pytest.raises(InputError, match=r"search.rows is 3, and was 100 when"):
        load_choice(merge_values, set_search(params, rows=3), path)
    (places.direct / "training.json").write_text("{}")
    with pytest.raises(InputError, match=r"The direct judge is another than .* chosen for: training.json differs"):
        merge_judges(found.values, places.base, *judges, places.out.parent / "merged", found.inputs)


def test_what_was_not_searched_is_not_taken_for_a_search(params, places, merge_values):
    write_no_search(merge_values, places.out)
    path = places.out / "choice.json"
    assert load_choice(merge_values, params.search, path).values == merge_values
    with pytest.raises(InputError, match=r"search.enabled is True, and was False when"):
        load_choice(merge_values, set_search(params), path)


def test_journals_of_other_searches_are_removed(params, places, merge_values, evaluate_values):
    (places.journal / "old.jsonl").write_text("")
    search(params, places, merge_values, evaluate_values)
    left = sorted(path.name for path in places.journal.iterdir())
    assert len(left) == 4 and "old.jsonl" not in left


def test_the_reference_engine_is_not_searched_with(params, places, merge_values, evaluate_values):
    with pytest.raises(InputError, match=r"merge.engine is mergekit.*set merge.engine to streaming"):
        search(params, places, merge_values.model_copy(update={"engine": "mergekit"}), evaluate_values)


def test_an_interrupted_search_asks_nothing_twice_and_makes_no_weights_again(
    params, places, merge_values, evaluate_values, monkeypatch
):
    asked, made, broken = [], [], []
    original, make = asking.complete_journalled, Kitchen.make

    def count(engine, conversations, journal, description):
        before = len(journal.load())
        if len(asked) == 2 and not broken:
            broken.append(True)
            raise KeyboardInterrupt
        found = original(engine, conversations, journal, description)
        asked.append(len(journal.load()) - before)
        return found

    monkeypatch.setattr("judgeforge.search.judging.complete_journalled", count)
    monkeypatch.setattr(Kitchen, "make", lambda self, values: made.append(values) or make(self, values))
    with pytest.raises(KeyboardInterrupt):
        search(params, places, merge_values, evaluate_values)
    assert not places.out.exists() and all(asked) and len(asked) == 2 and len(made) == 3
    search(params, places, merge_values, evaluate_values)
    # Of the second run's four candidates, two were answered before.
    assert len(asked) == 6 and asked[2:4] == [0, 0] and all(asked[4:]) and len(made) == 5


def test_judges_are_asked_greedily_whatever_the_evaluation_does(params, places, evaluate_values, template):
    drawn = evaluate_values.model_copy(update={"mode": "paper", "temperature": 1.0})
    bench = Bench(drawn, places.base, template, [])
    assert bench.params.temperature == 0 and bench.params.mode == "clean"


def test_a_broken_candidate_is_a_row_and_not_the_end(params, places, merge_values, evaluate_values, monkeypatch):
    def refuse(norms, alpha):
        raise BrokenMergeError("Merged weights: the norm of x is 9.00 times what the judges' would give.", "Lower it.")

    monkeypatch.setattr("judgeforge.search.candidates.check_drift", refuse)
    chosen, _ = search(params, places, merge_values, evaluate_values)
    table = pl.read_csv(places.out / "candidates.csv")
    failed = table.filter(pl.col("failure") != "")
    assert failed["method"].to_list() == ["ties", "ties"] and failed["objective"].null_count() == 2
    assert chosen["method"] == "linear"
    with pytest.raises(BrokenMergeError, match=r"is 9\.00 times"):
        search(params, places, merge_values.model_copy(update={"method": "ties"}), evaluate_values)


def test_no_room_for_a_candidate_is_said_before_anything_is_asked(
    params, places, merge_values, evaluate_values, monkeypatch
):
    monkeypatch.setattr(Bench, "judge", lambda *_: pytest.fail("asked"))
    usage = checks.shutil.disk_usage(places.journal)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(EnvironmentFault, match=r"candidate needs .* GB"):
        search(params, places, merge_values, evaluate_values)


@pytest.mark.parametrize("fault", ["cut off", "another base"])
def test_unlike_judges_are_refused_before_anything_is_asked(
    fault, params, places, merge_values, evaluate_values, monkeypatch
):
    monkeypatch.setattr(Bench, "judge", lambda *_: pytest.fail("asked"))
    if fault == "cut off":
        (places.pairwise / "adapter_model.safetensors").write_bytes(b"")
    else:
        path = places.pairwise / "training.json"
        write_json(path, load_json(path) | {"base_weights": {"model.safetensors": "0"}})
    with pytest.raises(InputError, match=fault):
        search(params, places, merge_values, evaluate_values)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, r"There is no .*choice.json.*judgeforge search"),
        ("[]", "has no values"),
        ('{"values": {"alpha": 3}}', r"choice.json: alpha: Input should be less"),
        ('{"values": {"beta": 3}}', r"choice.json: beta: Extra inputs"),
        ('{"values": {"density": 0.5}}', r"density has no part in linear"),
    ],
)
def test_a_choice_that_is_none_is_refused(text, complaint, params, merge_values, tmp_path):
    path = tmp_path / "choice.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        load_choice(merge_values, params.search, path)


def run_stage(folder, name, *arguments):
    command = [sys.executable, "-m", f"judgeforge.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_stage_merge_reads_the_choice(places, merge_values, tmp_path):
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["merge"] = merge_values.model_copy(update={"alpha": 0.2}).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    judges = ["--base", places.base, "--direct", places.direct, "--pairwise", places.pairwise]
    outputs = ["--out", "search", "--journal", "journal"]
    off = run_stage(tmp_path, "search", "--data", places.data, *judges, *outputs)
    assert off.returncode == 0 and "No search" in off.stderr, off.stderr
    choice = load_json(tmp_path / "search" / "choice.json")
    assert not choice["searched"] and choice["values"]["alpha"] == choice["merge"]["alpha"] == 0.2
    assert pl.read_csv(tmp_path / "search" / "candidates.csv").height == 0
    choice["values"]["alpha"] = 1.0
    (tmp_path / "chosen.json").write_text(json.dumps(choice))
    done = run_stage(tmp_path, "merge", *judges, "--choice", "chosen.json", "--out", "merged")
    assert done.returncode == 0 and "linear, alpha 1." in done.stderr, done.stderr
    expected = load_weights(places.direct, places.base, "float32").state_dict()
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert all(torch.allclose(each, expected[name], atol=1e-6) for name, each in merged.items())
