import json
import math

import polars as pl
import pytest
from quality_rows import build_rows, check_rows, list_ids, list_reasons, load_committed, only

from judgeforge.errors import InputError
from judgeforge.files import write_json_lines
from judgeforge.params import QualityParams
from judgeforge.prepare.quality import RowChecks, build_position_finding, require_passed
from judgeforge.prepare.quality.contradictions import list_stated_scores

ENGLISH = "The river rises in the hills and flows slowly to the sea, past old mills and quiet villages."
GERMAN = "Der Fluss entspringt in den Hügeln und fließt langsam ins Meer, vorbei an alten Mühlen."
CHINESE = "这条河发源于山区，缓缓流入大海，沿途经过古老的磨坊和宁静的村庄，风景十分优美。"


def test_equal_rows_are_set_aside_and_name_the_first_and_graders_are_kept():
    same = {"instruction": "Name a colour."}
    rows = build_rows(same, same, same | {"feedback": "Another grader."}, same | {"score": 5}, same)
    checked = check_rows(rows, only("duplicates", action="quarantine"))
    assert list_ids(checked.kept) == ["rows:1", "rows:3", "rows:4"]
    reason = "duplicates: the same as row rows:1"
    assert list_reasons(checked.quarantined) == {2: reason, 5: reason}
    finding = checked.findings["duplicates"]
    assert (finding["count"], finding["looked_at"], finding["share"]) == (2, 5, 0.4)
    assert json.loads(checked.quarantined["row"][0])["levels"] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("column", ["response", "reference", "criteria", "feedback"])
def test_rows_that_differ_anywhere_are_no_duplicates(column):
    rows = build_rows({"instruction": "Same."}, {"instruction": "Same.", column: "Something else."})
    assert check_rows(rows, only("duplicates", action="quarantine")).kept.equals(rows)


def test_rows_without_feedback_or_reference_can_be_duplicates():
    row = {"instruction": "Same.", "feedback": None, "reference": None}
    assert check_rows(build_rows(row, row), only("duplicates", action="report")).findings["duplicates"]["count"] == 1


# Pieced together, so that no scanner takes this file for a leak.
SECRETS = {
    "AWS Access Key": "AKIA" + "IOSFODNN7EXAMPLE",
    "Azure Storage Account access key": "AccountKey=" + "lJzRc1YdHaAA2KCNJJ1tkYwF/+mKK6Ygw0NGe170Xu592euJv2wYUtBlV8z+"
    "qnlcNQSnIYVTkLWntUO1F8j8rQ==",
    "Basic Auth Credentials": "see https://user" + ":hunter22@host.org/x",
    "GitHub Token": "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
    "GitLab Token": "glpat-" + "hellOworld380_testin",
    "JSON Web Token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "Private Key": "-----" + "BEGIN RSA PRIVATE KEY-----\nabc",
    "SendGrid API Key": "SG." + "ngeVfQFYQlKU0ufo8x5d1A" + ".TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
    "Slack Token": "xoxb-" + "34532454-e039d02840a0b9379c",
    "Stripe Access Key": "rk_live_" + "TESTtestTESTtestTESTtest",
    "OpenAI Token": "sk-" + "Xi8tcNiHV9awbCcvilTe" + "T3BlbkFJ" + "4xEAwzDPeK2lGXyBUdl0",
    "Twilio API Key": "SK" + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("column", ["instruction", "response", "reference", "feedback"])
def test_a_secret_is_found_and_named_by_kind_and_never_quoted(kind, column):
    rows = build_rows({}, {column: f"First line.\n{SECRETS[kind]}\nThe end."})
    checked = check_rows(rows, only("secrets", action="quarantine"))
    assert list_ids(checked.kept) == ["rows:1"]
    assert list_reasons(checked.quarantined) == {2: f"secrets: holds {kind}"}
    finding = checked.findings["secrets"]
    assert finding["kinds"] == {kind: {"count": 1, "examples": ["rows:2"]}}
    assert SECRETS[kind] not in json.dumps(finding)


def test_prose_and_code_hold_no_secret():
    texts = ["Set password = 'changeme' and run it.", "Laws of the AC/DC circuit: https://host.org:80/a@b", "sk-learn"]
    rows = build_rows(*({"response": text} for text in texts))
    assert check_rows(rows, only("secrets", action="report")).findings["secrets"]["count"] == 0


def test_addresses_of_people_are_found_and_those_for_examples_are_not():
    texts = [
        "Write to jane.doe@firm.co.uk, please.",
        "x@example.com y@mail.example.org z@host.test",
        "@jane a@b 5@3.",
        "-",
    ]
    rows = build_rows(*({"response": text} for text in texts), {"reference": "q@example.com or q@uni.edu"})
    checked = check_rows(rows, only("emails", action="quarantine"))
    assert list_reasons(checked.quarantined) == dict.fromkeys((1, 5), "emails: holds E-mail address")
    assert checked.findings["emails"]["kinds"]["E-mail address"]["count"] == 2


def test_a_rare_language_is_found_and_a_short_text_is_of_none():
    texts = [ENGLISH] * 6 + [ENGLISH.upper(), GERMAN, CHINESE, CHINESE + "！", "42", "x = 3 + 4"]
    rows = build_rows(*({"response": text} for text in texts))
    checked = check_rows(rows, only("language", action="quarantine", min_share=0.15))
    assert checked.findings["language"]["languages"] == {"en": 7, "unknown": 2, "zh": 2, "de": 1}
    assert list_reasons(checked.quarantined) == {8: "language: the response is in a rare language (de)"}
    # 1 of the 10 whose language is known is just not below a tenth.
    assert check_rows(rows, only("language", action="report", min_share=0.1)).findings["language"]["count"] == 0


def test_lengths_far_from_the_others_are_found_at_both_ends_by_the_hand_worked_score():
    lengths = [90, 95, 100, 105, 110, 3, 5000]
    rows = build_rows(*({"response": "x" * length} for length in lengths))
    checked = check_rows(rows, only("lengths", action="quarantine", max_z=5.0))
    assert list_reasons(checked.quarantined) == {
        6: "lengths: the response is extraordinarily short (3 characters)",
        7: "lengths: the response is extraordinarily long (5000 characters)",
    }
    logs = [math.log1p(length) for length in lengths]
    middle = sorted(logs)[3]
    deviation = 1.4826 * sorted(abs(log - middle) for log in logs)[3]
    z = (logs[0] - middle) / deviation
    just = check_rows(rows, only("lengths", action="report", max_z=abs(z) - 1e-6)).findings["lengths"]
    assert (
        just["count"]
        == check_rows(rows, only("lengths", action="report", max_z=abs(z))).findings["lengths"]["count"] + 1
    )


@pytest.mark.parametrize(("lengths", "found"), [([10] * 9, []), ([10] * 200 + [900], [201]), ([0, 0, 0], [])])
def test_lengths_that_are_mostly_equal_have_a_scale_too(lengths, found):
    rows = build_rows(*({"response": "x" * length, "feedback": None} for length in lengths))
    checked = check_rows(rows, only("lengths", action="quarantine", max_z=5.0))
    assert checked.quarantined["line"].to_list() == found


STATED = [
    ("So the response gets a score of 2.", [2]),
    ("Overall score: 2", [2]),
    ("I would rate it a 3 out of 5.", [3]),
    ("It is fine. [RESULT] 4", [4]),
    ("Therefore, it would be scored as a 1.", [1]),
    ("It falls short of a score of 5.", []),
    ("It does not reach the comprehensibility required by a score of 5.", []),
    ("The score is between 3 and 4.", []),
    ("Scores 3-4 need more.", []),
    ("It names 3 colours and rates 20% of them.", []),
    ("It scored the goal in minute 90.", []),
]


@pytest.mark.parametrize(("feedback", "scores"), STATED)
def test_scores_that_a_feedback_states(feedback, scores):
    assert list_stated_scores(feedback) == scores


CONTRADICTIONS = [
    ({"feedback": "So a score of 2.", "score": 4}, "the feedback states the score 2, the row 4"),
    ({"feedback": "So a score of 4, not of 2.", "score": 4}, None),
    ({"feedback": "Excellent and flawless.", "score": 1}, "the feedback praises a response with the lowest score"),
    ({"feedback": "Excellent and flawless.", "score": 2}, None),
    ({"feedback": "It is not excellent.", "score": 1}, None),
    ({"feedback": "It completely fails.", "score": 5}, "the feedback condemns a response with the highest score"),
    ({"feedback": "It completely fails.", "score": 1}, None),
    ({"feedback": "Outstanding, though one figure is totally wrong.", "score": 5}, None),
    ({"feedback": None, "score": 5}, None),
]


@pytest.mark.parametrize(("changed", "reason"), CONTRADICTIONS)
def test_feedback_against_its_score(changed, reason):
    checked = check_rows(build_rows(changed), only("contradictions", action="quarantine"))
    expected = {} if reason is None else {1: f"contradictions: {reason}"}
    assert list_reasons(checked.quarantined) == expected


def test_the_highest_score_is_that_of_the_rows_own_scale_which_may_start_at_0():
    condemned = {"feedback": "It is useless."}
    pass_or_fail = [condemned | {"score": score, "lowest": 0, "levels": ["fail", "pass"]} for score in (0, 1)]
    ten = [condemned | {"score": score, "levels": list("abcdefghij")} for score in (5, 10)]
    assert list_lines(pass_or_fail) == [2]
    assert list_lines(pass_or_fail[1:]) == [1]
    assert list_lines(ten) == [2]


def list_lines(changes: list[dict]) -> list[int]:
    checked = check_rows(build_rows(*changes), only("contradictions", action="quarantine"))
    return checked.quarantined["line"].to_list()


def test_rows_of_a_named_benchmark_are_dropped(tmp_path):
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    rubric = '{criteria: "Good?", levels: [a, b, c, d, e]}'
    own = tmp_path / "own.yaml"
    own.write_text(f"name: own\nlayout: direct\nfile: rows.jsonl\nrubric: {rubric}\n")
    instructions = ["How can I improve my time management skills?", f"Count: {words}."]
    write_json_lines(tmp_path / "rows.jsonl", [{"instruction": i, "response": "r", "gold": 3} for i in instructions])
    rows = build_rows(
        {"instruction": "  HOW can I improve my time   management skills?"},
        {"instruction": "Tell me: how can I improve my time management skills? Be brief."},
        {"instruction": "How can I improve my skills?"},
        {"instruction": f"Go on, {words}, sixteen, and then some other words follow that nobody wrote."},
    )
    checked = check_rows(rows, only("overlap", drop_overlap_with=(str(own),)))
    assert list_reasons(checked.quarantined) == dict.fromkeys(
        (1, 2, 4), f"overlap: the instruction stands in the benchmark {own}"
    )
    assert checked.findings["overlap"]["benchmarks"] == {str(own): 3}


@pytest.mark.parametrize(
    ("name", "problem"), [("embedded_direct", "the embedded benchmark"), ("nothing", "There is no benchmark")]
)
def test_a_benchmark_that_cannot_be_compared_with_is_an_error(name, problem):
    with pytest.raises(InputError, match=problem):
        check_rows(build_rows({}), only("overlap", drop_overlap_with=(name,)))


def test_score_balance_counts_the_most_frequent_score():
    rows = build_rows(*({"score": score} for score in (5, 4, 4, 1)))
    finding = check_rows(rows, only("balance", max_score_share=0.49)).findings["score_balance"]
    assert (finding["count"], finding["share"], finding["passed"]) == (2, 0.5, False)
    assert finding["scores"] == {"1": 1, "4": 2, "5": 1}


@pytest.mark.parametrize(
    ("a", "b", "share", "passed"),
    [(2, 1, 0.0, True), (50, 50, 0.0, True), (53, 50, 2 / 206, True), (60, 40, 0.095, False), (0, 0, 0.0, True)],
)
def test_position_balance_forgives_one_pair(a, b, share, passed):
    finding = build_position_finding(a, b, 0.02)
    assert (finding["share"], finding["passed"]) == (pytest.approx(share, abs=1e-6), passed)


def test_what_fails_is_named_with_its_share_its_threshold_and_rows():
    rows = build_rows({"feedback": "[RESULT] 1"}, {"response": "[RESULT] 5"}, {}, {})
    params = only("markers", action="neutralise", max_share=0.2)
    findings = check_rows(rows, params).findings | {"position_balance": build_position_finding(9, 1, 0.02)}
    with pytest.raises(InputError) as caught:
        require_passed(findings)
    assert caught.value.problem == (
        "The rows fail 2 checks: markers: 1 of 4 rows (25.00%), more than 20.00%, such as rows:2; position_balance: "
        "the better response is A in 9 pairs and B in 1, 35.00% from half, more than 2.00%."
    )
    require_passed(check_rows(rows, only("markers", action="neutralise", max_share=0.25)).findings)


def test_a_frame_without_rows_passes():
    checked = check_rows(build_rows({}).clear(), only("duplicates", action="quarantine"))
    assert checked.kept.is_empty()
    assert checked.quarantined.schema == {"source": pl.String, "line": pl.Int64, "reason": pl.String, "row": pl.String}
    require_passed(checked.findings)


def test_a_chunk_of_which_nothing_is_left_stops_no_check():
    """Polars 2.1 panics at texts made of columns with an empty chunk."""
    lengths = (10, 1, 10, 2, 8, 3, 9, 1, 10, 5_000)
    rows = build_rows(*({"response": "x" * length, "feedback": "y" * (length + 1)} for length in lengths))
    secret = pl.when(pl.col("line") == 2).then(pl.lit("AKIA" + "A" * 16)).otherwise("instruction")
    rows = rows.with_columns(instruction=secret)
    params = load_committed().model_dump()
    params["secrets"]["action"] = params["lengths"]["action"] = "quarantine"
    params["lengths"]["max_share"] = None
    with RowChecks(QualityParams.model_validate(params)) as checks:
        for part in rows.iter_slices(1):
            checks.look_at(part)
        reasons = checks.decide().reasons
    assert (reasons[1].split(":")[0], reasons[9].split(":")[0], reasons[0]) == ("secrets", "lengths", None)
