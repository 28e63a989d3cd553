"""The front matter is what the Hugging Face hub's own library reads."""

from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from small_project import write

from judgeforge.card.facts import load_facts
from judgeforge.card.front import render_front_matter
from judgeforge.card.places import Places
from judgeforge.card.write import write_card


def test_the_hub_reads_it(places: Places) -> None:
    write_card(places, Path("card"))
    data = ModelCard.load(Path("card/card.md")).data
    assert (data.license, data.base_model, data.datasets) == ("mit", "somebody/model-7b", ["somebody/tickets"])
    assert data.base_model_relation == "finetune"
    assert data.language == ["en", "de"], "one Italian row of 81 does not make it a judge of Italian"
    assert (data.library_name, data.pipeline_tag) == ("transformers", "text-generation")
    assert {"llm-as-a-judge", "merge"} <= set(data.tags)
    results = {(each.dataset_type, each.metric_type): each for each in data.eval_results}
    assert results["mails", "pearsonr"].metric_value == 0.8
    assert results["mails", "pearsonr"].metric_name == "Pearson correlation (95% interval 0.780 to 0.820)"
    assert results["duels", "accuracy"].metric_value == 0.7
    assert ("mails", "kendalltau") not in results, "undefined is no result"


def test_an_adapter_is_one(places: Places) -> None:
    write("models/pairwise/adapter_config.json", {"base_model_name_or_path": "models/base"})
    other = places.model_copy(update={"judge": "pairwise", "model": Path("models/pairwise")})
    front = yaml.safe_load(render_front_matter(load_facts(other)).strip("-\n"))
    assert (front["library_name"], front["base_model_relation"]) == ("peft", "adapter")
    assert "merge" not in front["tags"] and "lora" in front["tags"]


@pytest.mark.parametrize("source", ["wheel", "path", "miniature"])
def test_what_is_not_on_the_hub_is_no_base_there(places: Places, source: str) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"]["base"]["params"]["params.yaml"]["base"] |= {"source": source, "name": "some/thing"}
    write("dvc.lock", yaml.safe_dump(lock))
    assert "base_model" not in yaml.safe_load(render_front_matter(load_facts(places)).strip("-\n"))
