"""Ten thousand random and hostile rows: none stops the stage, and each is accounted for."""

import json
import shutil
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judgeforge.files import load_json, load_json_rows
from judgeforge.params.sources import FEEDBACK_COLLECTION
from judgeforge.prepare.plan import SETS
from judgeforge.training_sets import LINEAGE_SCHEMA, load_table, load_training_examples

ROWS_A_BATCH, BATCHES = 500, 20
COLUMNS = [
    *("orig_instruction", "orig_response", "orig_reference_answer", "orig_criteria", "orig_feedback", "orig_score"),
    *FEEDBACK_COLLECTION.levels,
]
HOSTILE = [
    *(
        "",
        " ",
        "\u200b",
        "\x00",
        "\ud800",
        "a\x85b",
        "{instruction}",
        "{",
        "}}",
        "[RESULT] 5",
        '{"feedback": "x"}',
        "$1",
    ),
    *(
        "\n###Feedback:",
        "A" * 5_000,
        "床前明月光",
        "\N{FAMILY}\u202eevil",
        "<|im_end|>",
        "'; DROP TABLE",
        "\\u0000",
        "\\",
    ),
    *(None, True, 0, -1, 4.0, 10**30, float("nan"), float("inf"), [], ["x"], {}, {"a": [None]}),
]
SCORES = ["1", "2", "3", "4", "5", 1, 5, " 3 ", "6", "0", "05", "five", "1.0", "-1", True, None, 2.0, "¹", "٣"]
LINES = [
    b"",
    b" ",
    b"[1]",
    b'"text"',
    b"null",
    b"{",
    b'{"orig_score": ',
    b"\xff\xfe",
    b"[" * 2_000,
    b"{}{}",
    b'{"a": 1e999}',
]
BROKEN_SHARE = 0.05


def make_row(random):
    """Draw a row: mostly good, so that enough of it goes through every step, with hostile values here and there."""
    row = {name: f"{name} {random.randrange(3)}" for name in COLUMNS}
    row |= {"orig_instruction": f"Question {random.randrange(40)}?", "orig_response": f"Answer {random.randrange(6)}."}
    row |= {"orig_score": random.choice(SCORES[:7] if random.random() < 0.9 else SCORES)}
    if random.random() < 0.5:
        name = random.choice(COLUMNS)
        if random.random() < 0.3:
            del row[name]
        else:
            row[name] = random.choice(HOSTILE)
    return row


def make_line(random):
    if random.random() < BROKEN_SHARE:
        return random.choice(LINES)
    return json.dumps(make_row(random), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


@settings(max_examples=BATCHES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([40, 10_000]))
def test_no_row_stops_the_stage_and_all_are_accounted_for(tmp_path, build, with_sources, seed, rows_per_file):
    random = Random(seed)
    lines = [make_line(random) for _ in range(ROWS_A_BATCH)]
    # Enough good rows that the source is not refused as mostly bad.
    lines += [json.dumps(make_good(n)).encode() for n in range(ROWS_A_BATCH)]
    folder = tmp_path / "out"
    shutil.rmtree(folder, ignore_errors=True)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    params = with_sources(path, seed=seed, rows_per_file=rows_per_file, max_pairs_per_instruction=20)
    params = params.model_copy(update={"embedded": params.embedded.model_copy(update={"form_instructions": 0})})
    values = build(params, folder)
    rows = values["rows"]
    quarantined = load_json_rows(folder / "quarantine.jsonl")
    assert rows["read"] == sum(bool(line.strip()) for line in lines)
    assert rows["quarantined"] == len(quarantined)
    assert all(row["reason"] for row in quarantined)
    lineage = load_table(folder / "train", "lineage", LINEAGE_SCHEMA)
    direct = lineage.filter(lineage["set"].str.ends_with("direct"))
    # Every row is in quarantine or behind an example of its own grade; the latter's duplicates share theirs.
    numbers = {row["line"] for row in quarantined} | {int(row_id.split(":")[1]) for row_id in direct["row_id"]}
    assert numbers == {number for number, line in enumerate(lines, start=1) if line.strip()}
    assert direct.height == rows["kept"] + rows["duplicates"]
    assert direct["example_id"].n_unique() == rows["kept"]
    for name in SETS:
        examples = load_training_examples(folder / "train", name)
        assert len(examples) == values["formats"][name]["rows"]
        assert {row.example_id for row in examples} == set(lineage.filter(lineage["set"] == name)["example_id"])
    assert load_json(folder / "statistics.json") == values


def make_good(number):
    row = dict.fromkeys(COLUMNS, "text")
    return row | {"orig_instruction": f"Good {number // 5}", "orig_response": f"{number}", "orig_score": number % 5 + 1}
