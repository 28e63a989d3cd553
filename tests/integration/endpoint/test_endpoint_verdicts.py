"""Probabilities, constrained verdicts and early stops as an endpoint gives them."""

import json
import math

import pytest

from judgeforge.engines.endpoint.requests import build_request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.errors import InputError
from judgeforge.grading.records import Scale

from .conftest import GREEDY, ask, say


def spell(*tokens: tuple[str, dict[str, float]]) -> dict:
    """Write tokens with the chances of their alternatives."""
    return {
        "content": [
            {
                "token": token,
                "logprob": math.log(others.get(token, 1.0)),
                "top_logprobs": [{"token": other, "logprob": math.log(share)} for other, share in others.items()],
            }
            for token, others in tokens
        ]
    }


def test_probabilities_are_the_shares_of_all_verdicts_at_the_verdicts_token(server, build):
    tokens = spell(("4 of", {}), (" [RESULT]", {}), (" 4", {" 4": 0.4, "4": 0.2, " 5": 0.2, " the": 0.2}))
    server.script = lambda n, body: say("4 of [RESULT] 4", logprobs=tokens)
    ((_, completion),) = build(expectation=True, top_logprobs=20).complete(ask(1))
    assert completion.probabilities == pytest.approx({"1": 0, "2": 0, "3": 0, "4": 0.75, "5": 0.25})
    assert server.bodies[0]["top_logprobs"] == 20


def test_the_token_of_the_turns_end_behind_the_text_is_passed_over(server, build):
    tokens = spell(("[RESULT]", {}), (" 2", {" 2": 0.5, " 3": 0.5}), ("<|im_end|>", {}))
    server.script = lambda n, body: say("[RESULT] 2", logprobs=tokens)
    ((_, completion),) = build(expectation=True, top_logprobs=20).complete(ask(1))
    assert completion.probabilities == pytest.approx({"1": 0, "2": 0.5, "3": 0.5, "4": 0, "5": 0})


def test_an_emoji_whose_bytes_are_tokens_costs_no_probabilities(server, build):
    halves = [("\ufffd", {})] * 3
    tokens = spell(("Nice ", {}), *halves, (".", {}), (" [RESULT]", {}), (" ", {}), ("4", {"4": 0.6, "5": 0.2}))
    server.script = lambda n, body: say("Nice \U0001f600. [RESULT] 4", logprobs=tokens)
    ((_, completion),) = build(expectation=True, top_logprobs=20).complete(ask(1))
    assert completion.probabilities == pytest.approx({"1": 0, "2": 0, "3": 0, "4": 0.75, "5": 0.25})


def test_a_constrained_verdict_takes_a_second_request_that_goes_on_behind_the_marker(server, build):
    server.script = lambda n, body: say(" B" if "structured_outputs" in body else "Both are fine.")
    ((_, completion),) = build(constrained=True, structured_outputs=True).complete(ask(1, "pairwise"))
    assert completion.text == "Both are fine. [RESULT] B" and completion.finish == "verdict"
    feedback, closing = server.bodies
    assert feedback["stop"] == ["[RESULT]"]
    assert closing["structured_outputs"] == {"choice": [" A", " B"]} and closing["continue_final_message"]
    assert closing["messages"][-1] == {"role": "assistant", "content": "Both are fine. [RESULT]"}


def test_what_an_endpoint_cannot_do_is_said_before_anything_is_sent(server, build):
    for wanted in ("expectation", "constrained"):
        with pytest.raises(InputError, match=r"probabilities|structured outputs"):
            build(**{wanted: True})
    assert not server.bodies


def stream(*pieces: str, end: bool = True) -> tuple[int, dict[str, str], bytes]:
    lines = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
    content = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + ("data: [DONE]\n\n" if end else "")
    return 200, {"Content-Type": "text/event-stream"}, content.encode()


def test_a_stream_is_left_once_the_verdict_is_settled(server, build):
    server.script = lambda n, body: stream("Fine. ", "[RESULT] 3\n", "And then it goes on", " and on.")
    ((_, completion),) = build(stop_early=True).complete(ask(1))
    assert completion.text == "Fine. [RESULT] 3\n" and completion.finish == "verdict"


def test_a_stream_that_breaks_off_is_tried_again(server, build):
    server.script = lambda n, body: stream("Fi", end=False) if n == 0 else stream("Fine. [RESULT] 3")
    ((_, completion),) = build(stop_early=True).complete(ask(1))
    assert completion.text == "Fine. [RESULT] 3" and len(server.bodies) == 2


def test_settings_reach_the_endpoint_in_its_own_words(server, build):
    list(
        build(
            max_tokens_field="max_completion_tokens",
            omit=["temperature"],
            system_message=False,
            extra_body={"reasoning_effort": "low"},
        ).complete(ask(1))
    )
    (body,) = server.bodies
    assert body["max_completion_tokens"] == 40 and "max_tokens" not in body and "temperature" not in body
    assert body["messages"] == [{"role": "user", "content": "Judge.\n\n0?"}]
    assert body["reasoning_effort"] == "low"
    assert (body["top_p"], body["repetition_penalty"]) == (1, 1), "or the server takes the model's own"


def on_scale(lowest: int, highest: int) -> list[Conversation]:
    return [each.model_copy(update={"scale": Scale(lowest, highest)}) for each in ask(1)]


def test_verdicts_are_those_of_the_items_scale(server, build):
    tokens = spell(("[RESULT]", {}), (" 0", {" 0": 0.3, " 1": 0.1, " 5": 0.6}))
    server.script = lambda n, body: say("[RESULT] 0", logprobs=tokens)
    ((_, completion),) = build(expectation=True, top_logprobs=20).complete(on_scale(0, 1))
    assert (completion.finish, completion.probabilities) == ("verdict", pytest.approx({"0": 0.75, "1": 0.25}))
    server.script = lambda n, body: say(" 10" if "structured_outputs" in body else "Fine.")
    ((_, completion),) = build(constrained=True, structured_outputs=True).complete(on_scale(8, 10))
    assert (completion.finish, completion.text) == ("verdict", "Fine. [RESULT] 10")
    assert server.bodies[-1]["structured_outputs"] == {"choice": [" 8", " 9", " 10"]}


def test_scores_of_two_digits_are_not_weighed_where_their_tokens_are_not_known(server, build):
    with pytest.raises(InputError, match="from 1 to 10 cannot be weighed at an endpoint"):
        list(build(expectation=True, top_logprobs=20).complete(on_scale(1, 10)))
    assert not server.bodies


def test_another_scale_is_another_question():
    settings = EndpointSettings.model_validate(
        {"base_url": "http://127.0.0.1:1/v1", "model": "some-judge", "api_key_env": None}
    )
    asked = Conversation(format="direct", messages=({"role": "user", "content": "Say."},))
    other = asked.model_copy(update={"scale": Scale(0, 1)})
    keys = {build_request(each, settings, Generation.model_validate(GREEDY), "[RESULT]").key for each in (asked, other)}
    assert len(keys) == 2
