"""The card's text: figures of the files, limits worked out from them, and what is not there said to be not measured."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from small_project import build_direct, build_metrics, build_pairwise, write

from judgeforge.card.facts import load_facts
from judgeforge.card.places import Places
from judgeforge.card.write import build_sections, write_card
from judgeforge.errors import InputError
from judgeforge.files import hash_file, load_json

GOLDEN = Path(__file__).parent / "golden" / "card.md"


def read_card(places: Places) -> str:
    write_card(places, Path("card"))
    return Path("card/card.md").read_text()


def read_section(places: Places, name: str) -> str:
    return next(each.body for each in build_sections(load_facts(places)) if each.name == name)


def change(path: str, **values: Any) -> None:
    write(path, json.loads(Path(path).read_text()) | values)


def test_the_card_is_that_of_its_files(places: Places) -> None:
    found = re.sub(r"(packages where this card was written \| ).*?;", r"\1VERSIONS;", read_card(places))
    # dvc.lock holds the whole of params.yaml, which has new keys now and then.
    found = found.replace(hash_file(places.lock), "LOCK")
    assert found == GOLDEN.read_text()


def test_equal_files_give_equal_bytes(places: Places) -> None:
    write_card(places, Path("card"))
    first = {path.name: path.read_bytes() for path in Path("card").iterdir()}
    write_card(places, Path("again"))
    assert set(first) == {"card.md", "card.html", "sbom.cdx.json", "data_card.md"}
    assert {path.name: path.read_bytes() for path in Path("again").iterdir()} == first


def test_limits_say_where_and_how_large(places: Places) -> None:
    limits = read_section(places, "limits")
    assert "Position bias: it leans to the first response, by 10.0 points (+4.0 to +16.0)." in limits
    assert "No length bias is shown: +1.0 points (−5.0 to +7.0)." in limits
    assert "25.0% of the pairs get another verdict" in limits
    assert "Worse than the judge `pairwise`: −20.0 points (−30.0 to −10.0)." in limits
    assert "Not clearly better than `longer`: +5.0 points (−5.0 to +15.0)." in limits
    assert "Accuracy is known to ±10.0 points at best, on 40 prompts" in limits
    assert "Pearson correlation is known" not in limits, "it is known well enough for the margin"
    assert "a 5 to 2 items, where 8 deserve it" in limits
    # Of 39 scores seven are too low by 1, and two by 2.
    assert "On average its scores lie 0.28 below the gold" in limits
    assert "Weakest on `maps`: 0.20 on 20 items" in limits
    assert "failed the checks `duplicates`" in limits


def test_a_bias_to_the_second_and_too_few_prompts_are_named(places: Places) -> None:
    metrics = build_metrics()
    metrics["merged"]["duels"] = build_pairwise(0.7, 0.6, 0.8, (-0.2, -0.3, -0.1), prompts=9)
    write("reports/metrics.json", metrics)
    limits = read_section(places, "limits")
    assert "it leans to the second response, by 20.0 points (−30.0 to −10.0)" in limits
    assert "9 prompts are too few for an interval to be relied on: fewer than 20." in limits


def test_a_benchmark_that_was_trained_on_is_marked_and_no_result(places: Places) -> None:
    metrics = build_metrics()
    metrics["merged"]["mails"] = build_direct(0.8, 0.7, 0.9, barred=True, contaminated=30)
    write("reports/metrics.json", metrics)
    card = read_card(places)
    front, _, text = card.partition("\n---\n")
    assert [each["dataset"]["type"] for each in yaml.safe_load(front)["model-index"][0]["results"]] == ["duels"]
    assert "### On mails †" in text and "30 items were trained on and are left out. So many that no decision" in text


def test_a_benchmark_without_items_has_no_figure(places: Places) -> None:
    metrics = build_metrics()
    lost = {
        "items": 0,
        "prompts": 0,
        "unparsable_rate": None,
        "metrics": {"pearson": {"value": None, "low": None, "high": None}},
    }
    metrics["merged"]["mails"] = build_direct(None, None, None, **lost)
    write("reports/metrics.json", metrics)
    card = read_card(places)
    assert "No figure: all its items were trained on." in card
    assert "How well it judges in the format direct: no benchmark of it has an item left." in card


def test_a_judge_that_was_asked_no_benchmark_was_not_evaluated(places: Places) -> None:
    write("reports/metrics.json", load_json(Path("reports/metrics.json")) | {"merged": {}})
    card = read_card(places)
    assert "was not evaluated: nothing is known of how well it judges" in card
    assert "Not measured: the judge was not evaluated." in card


def test_what_is_not_there_is_not_measured(places: Places) -> None:
    shutil.rmtree("evaluation")
    shutil.rmtree("data")
    for path in ("reports/metrics.json", "reports/data_card.md", "reports/decision.json", "models/merged/merge.json"):
        Path(path).unlink()
    card = read_card(places)
    front, _, text = card.partition("\n---\n")
    assert "model-index" not in front
    assert "was not evaluated: nothing is known of how well it judges" in text
    assert "Not measured: the judge was not evaluated." in text
    assert "Not measured: there is no audit." in text
    assert "The sizes of the sets: not recorded." in text
    assert "How it was merged is not recorded in its folder." in text
    assert "The gate" not in text
    assert not Path("card/data_card.md").exists()
    assert not re.search(r"\d\.\d+ \(", text), "no figure with an interval is left to be shown"


def test_without_a_report_the_judge_stands_alone(places: Places) -> None:
    Path("reports/metrics.json").unlink()
    card = read_card(places)
    assert "0.80 (0.78 to 0.82)" in card
    assert "Baselines and trivial judges: not measured." in card
    assert "how it stands to others is not measured" in card


def test_a_judge_that_the_report_is_not_about_has_no_differences(places: Places) -> None:
    other = places.model_copy(update={"judge": "pairwise", "model": Path("models/pairwise")})
    card = read_card(other)
    assert "How this judge stands to the others, item by item: not measured." in card
    assert "It was trained for pairwise ranking (two responses, the better one)." in card
    assert "For direct assessment (one response, a score): it was not trained for it." in card
    assert "# our-judge-pairwise" in card and "models:/" not in card, "it is not what the registry holds"


@pytest.mark.parametrize("judge", ["base", "form"])
def test_what_was_not_taught_to_judge_is_a_baseline(places: Places, judge: str) -> None:
    Path(f"models/{judge}").mkdir()
    card = read_card(places.model_copy(update={"judge": judge, "model": Path(f"models/{judge}")}))
    assert "This one was not taught to judge: it is a baseline." in card
    assert "this one was not." in card and "It learnt from text" not in card


def test_values_that_were_changed_since_are_not_told_of_the_judge(places: Places) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["base"]["name"] = "somebody/other"
    write("params.yaml", yaml.safe_dump(params))
    card = read_card(places)
    assert "somebody/model-7b" in card and "somebody/other" not in card
    assert "params.yaml has other values now in `base`" in card


def test_no_licence_is_made_up(places: Places) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["promote"] |= {"licence": None, "base_licence": None}
    write("params.yaml", yaml.safe_dump(params))
    card = read_card(places)
    assert "\nlicense: unknown\n" in card
    assert "No licence is stated for this judge" in card
    assert "| this judge | not stated |" in card


def test_names_from_files_are_no_markup(places: Places) -> None:
    metrics = build_metrics()
    evil = "<script>alert(1)</script>|[x](y)"
    metrics["merged"] = {evil: metrics["merged"]["mails"]}
    metrics["differences"] = {name: {evil: own["mails"]} for name, own in metrics["differences"].items()}
    for name in ("pairwise", "longer"):
        metrics[name] = {evil: metrics[name]["mails"]}
    write("reports/metrics.json", metrics)
    write_card(places, Path("card"))
    text = Path("card/card.md").read_text().partition("\n---\n")[2]
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    for page in (Path("card/card.html").read_text(), shown):
        assert "<script" not in page and 'href="y"' not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;|[x](y)" in page


@pytest.mark.parametrize(
    ("lost", "said"), [("models/merged", "no judge in models/merged"), ("params.yaml", "params.yaml")]
)
def test_without_a_judge_or_values_there_is_no_card(places: Places, lost: str, said: str) -> None:
    write("card/card.md", "the last one")
    path = Path(lost)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=said):
        write_card(places, Path("card"))
    assert Path("card/card.md").read_text() == "the last one"


def test_a_broken_file_is_named_and_the_last_card_stays(places: Places) -> None:
    write_card(places, Path("card"))
    before = Path("card/card.md").read_text()
    write("reports/metrics.json", "{")
    with pytest.raises(InputError, match=r"reports/metrics\.json is not valid JSON"):
        write_card(places, Path("card"))
    assert Path("card/card.md").read_text() == before
