"""Judge templates: complete or refused, and the same text has the same digest."""

import json
from pathlib import Path

import pytest

from judgeforge.errors import InputError
from judgeforge.grading.templates import TEMPLATE_FILE, fill, load_template, shipped_templates, write_template


@pytest.mark.parametrize("path", shipped_templates(), ids=lambda path: path.stem)
def test_a_shipped_template_has_its_files_name_and_uses_its_own_marker(path: Path) -> None:
    template = load_template(path.stem)
    assert template.name == path.stem
    assert template.result_marker in template.direct
    assert template.result_marker in template.pairwise


def test_a_template_comes_back_from_a_judges_folder(tmp_path: Path) -> None:
    template = load_template("judgeforge-1")
    write_template(template, tmp_path)
    assert load_template(tmp_path) == template
    assert load_template(str(tmp_path / TEMPLATE_FILE)).compute_digest() == template.compute_digest()


def test_a_changed_word_changes_the_digest() -> None:
    template = load_template("judgeforge-1")
    changed = template.model_copy(update={"system": template.system + " "})
    assert changed.compute_digest() != template.compute_digest()


def test_the_digest_of_a_released_template_is_settled() -> None:
    """Journals, caches and registered judges know their template by it."""
    assert (
        load_template("judgeforge-1").compute_digest()
        == "f89a780916f62201bb7ab9cf0a031261f7094cb897f53201ae5af1668fbcb7f2"
    )


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no judge template 'nosuch'.*judgeforge-1"):
        load_template("nosuch")


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("direct", "{instruction}", "direct: placeholders differ.*'response'"),
        ("pairwise", "{response}", "pairwise: placeholders differ"),
        ("reference_section", "no field", "reference_section: placeholders differ.*'reference'"),
        ("colour", "red", "Extra inputs"),
    ],
)
def test_an_incomplete_template_is_refused(part: str, text: str, message: str, tmp_path: Path) -> None:
    fields = load_template("judgeforge-1").model_dump() | {part: text}
    (tmp_path / TEMPLATE_FILE).write_text(json.dumps(fields))
    with pytest.raises(InputError, match=message):
        load_template(tmp_path)


def test_fields_are_filled_in_one_pass() -> None:
    assert fill("{a} {b} {{a}}", {"a": "{b}", "b": "2"}) == "{b} 2 {{b}}"


def test_an_empty_marker_is_refused(tmp_path) -> None:
    """Every text has it everywhere: no parser could end."""
    document = load_template("judgeforge-1").model_dump() | {"result_marker": ""}
    (tmp_path / "own.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="at least 1 character"):
        load_template(tmp_path / "own.json")
