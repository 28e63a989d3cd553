"""What no honest endpoint sends: it is never an answer and never a traceback."""

import json
import math

import pytest
import yaml

from judgeforge.engines.endpoint.settings import load_endpoint
from judgeforge.errors import EnvironmentFault, InputError

from .conftest import KEY, ask, fail, say

GOOD = say("Good. [RESULT] 4")
STREAM = {"Content-Type": "text/event-stream"}


def stream(*pieces, raw: bool = False) -> tuple[int, dict[str, str], bytes]:
    lines = [json.dumps(piece, ensure_ascii=not raw) for piece in pieces]
    return 200, STREAM, "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def write(*texts: str) -> list[dict]:
    return [{"choices": [{"delta": {"content": text}}]} for text in texts]


@pytest.mark.parametrize(
    "garbage",
    [
        (200, {"Content-Encoding": "gzip"}, b"not gzip"),
        (200, {}, b"[" * 200_000),
        (200, {}, b"\xff\xfe\xfd"),
        say("bad \ud800 [RESULT] 4"),
        say("Bad. [RESULT] 1", usage=(-1_000_000, 5)),
        say("Bad. [RESULT] 1", usage=(10**30, 5)),
        say("Bad. [RESULT] 1", usage=(1e30, 5)),
        say(["Bad. [RESULT] 1"]),
        say([{"type": "text", "text": 5}]),
        say("Bad. [RESULT] 1", logprobs={"content": [{"token": "1", "logprob": math.nan}]}),
    ],
    ids=range(10),
)
def test_garbage_is_tried_again(server, build, garbage):
    server.script = lambda n, body: garbage if n == 0 else GOOD
    ((_, completion),) = build().complete(ask(1))
    assert completion.text == "Good. [RESULT] 4" and len(server.bodies) == 2


@pytest.mark.parametrize(
    "piece",
    [
        {"choices": ["x"]},
        {"choices": 5},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        {"choices": [{"delta": {"content": "a \ud800"}}]},
        {"choices": [], "usage": {"prompt_tokens": -1}},
        {"error": "overloaded"},
        [],
    ],
    ids=str,
)
def test_garbage_amid_a_stream_is_tried_again(server, build, piece):
    server.script = lambda n, body: stream(piece) if n == 0 else stream(*write("Good. [RESULT] 4"))
    ((_, completion),) = build(stop_early=True).complete(ask(1))
    assert completion.text == "Good. [RESULT] 4" and len(server.bodies) == 2


def test_other_line_ends_of_unicode_and_halves_of_characters_stay_within_their_piece(server, build):
    pieces = [*write("One\u2028two\u0085three\u2029. "), *write("[RESULT] 4\n")]
    server.script = lambda n, body: stream(*pieces, raw=True)
    ((_, completion),) = build(stop_early=True).complete(ask(1))
    assert completion.text == "One\u2028two\u0085three\u2029. [RESULT] 4\n"
    server.script = lambda n, body: stream(*write("Nice \ud83d", "\ude00. [RESULT] 4\n"))
    ((_, completion),) = build(stop_early=True).complete(ask(2)[1:])
    assert completion.text == "Nice \U0001f600. [RESULT] 4\n"


def test_lines_may_end_in_carriage_returns(server, build):
    status, headers, content = stream(*write("Good. ", "[RESULT] 4"))
    server.script = lambda n, body: (status, headers, content.replace(b"\n", b"\r\n"))
    ((_, completion),) = build(stop_early=True).complete(ask(1))
    assert completion.text == "Good. [RESULT] 4"


def test_parts_of_text_are_joined(server, build):
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Good. "}]
    server.script = lambda n, body: say([*parts, {"type": "text", "text": "[RESULT] 4"}])
    ((_, completion),) = build().complete(ask(1))
    assert completion.text == "Good. [RESULT] 4"


@pytest.mark.parametrize("status", [400, 500])
def test_a_key_that_the_endpoint_repeats_is_not_shown(server, build, status):
    # The cut of the excerpt falls within the key.
    server.script = lambda n, body: fail(status, f"{'x' * 185} Bearer {KEY} is malformed")
    with pytest.raises((InputError, EnvironmentFault)) as caught:
        list(build(max_attempts=1).complete(ask(1)))
    assert KEY[:8] not in str(caught.value) and f"status {status}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "http://127.0.0.1:99999999/v1"}, "port"),
        ({"base_url": "http://127.0.0.1:x/v1"}, "port"),
        ({"base_url": "http://judge.example.com/v1"}, "allow_plain_http"),
        ({"base_url": "http://10.0.0.1/v1"}, "allow_plain_http"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, changes, words):
    path = tmp_path / "endpoint.yaml"
    path.write_text(yaml.safe_dump({"model": "m", "api_key_env": "SOME_KEY"} | changes))
    with pytest.raises(InputError, match=words):
        load_endpoint(path)


@pytest.mark.parametrize(
    "more",
    [
        {"base_url": "http://judge.example.com/v1", "allow_plain_http": True},
        {"base_url": "http://judge.example.com/v1", "api_key_env": None},
        {"base_url": "http://localhost:8000/v1"},
        {"base_url": "http://[::1]:8000/v1"},
        {"base_url": "https://judge.example.com/v1"},
    ],
)
def test_a_key_may_go_to_this_machine_and_where_one_says_so(tmp_path, more):
    path = tmp_path / "endpoint.yaml"
    path.write_text(yaml.safe_dump({"model": "m", "api_key_env": "SOME_KEY"} | more))
    assert load_endpoint(path).url.endswith("/v1/chat/completions")


@pytest.mark.parametrize("text", ["2", "2026-05-01", "second"])
def test_a_revision_may_look_like_a_number_or_a_date(tmp_path, text):
    path = tmp_path / "endpoint.yaml"
    path.write_text(f"base_url: http://127.0.0.1/v1\nmodel: m\napi_key_env: null\nrevision: {text}\n")
    assert load_endpoint(path).revision == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[{"error": {"code": 404, "message": "no such model"}}]', "404 no such model"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"detail": [{"input": "what is context length?"}]}', "what is context length"),
        (b"[" * 200_000, r"\[\["),
        (b"5", "5"),
        (b"", "no message"),
    ],
    ids=range(6),
)
def test_the_endpoints_words_are_found_and_a_repeated_prompt_is_not_taken_for_them(server, build, content, words):
    server.script = lambda n, body: (404, {}, content)
    with pytest.raises(InputError, match=words):
        list(build().complete(ask(1)))
