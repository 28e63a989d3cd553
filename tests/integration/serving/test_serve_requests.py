"""What the service answers, and what it refuses without harm to others."""

import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from judgeforge.cli.items import build_item
from judgeforge.engines.building import build_engine
from judgeforge.engines.grading import grade_items
from judgeforge.params import EvaluateParams, load_section
from tests.integration.serving.conftest import DIRECT, RUBRIC, TOKENS

PAIR = {"instruction": "Name a prime.", "response_a": "9", "response_b": "7", "rubric": RUBRIC}


def send_raw(service, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send parts with pauses until there is an answer, and read until the service hangs up."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                if select.select([connection], [], [], pause_s)[0]:
                    break
        except OSError:
            pass
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


def test_both_formats_are_graded_as_everywhere_else(service, place, template):
    params = load_section("evaluate", EvaluateParams, place / "params.yaml")
    items = [build_item(row, 1, None) for row in (DIRECT, PAIR, DIRECT | {"reference": "7"})]
    engine = build_engine(params, place / "judge", None, template)
    expected = [
        (verdict.feedback, verdict.score or verdict.choice) for verdict, _ in grade_items(engine, items, template)
    ]
    answers = [service.grade(), service.client.post("/grade/pairwise", json=PAIR), service.grade(reference="7")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    rows = [answer.json() for answer in answers]
    assert [(row["feedback"], row.get("score") or row.get("choice")) for row in rows] == expected
    assert {row["model_version"] for row in rows} == {"judge"} and all(row["parsed"] for row in rows)
    assert service.grade(item_id="my item").json()["item_id"] == "my item"


def test_many_at_once_are_read_together(service):
    before = service.read_metric("judgeforge_batch_size_count"), service.read_metric("judgeforge_batch_size_sum")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: service.grade(response=str(n), item_id=str(n)), range(64)))
    assert [answer.json()["item_id"] for answer in answers] == [str(n) for n in range(64)]
    batches = service.read_metric("judgeforge_batch_size_count") - before[0]
    assert service.read_metric("judgeforge_batch_size_sum") - before[1] == 64
    assert batches < 64
    assert service.read_metric("judgeforge_queue_length") == service.read_metric("judgeforge_items_sent") == 0


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer wrong", f"Bearer {TOKENS[0]}x", f"Bearer {TOKENS[0][:-1]}", f"Basic {TOKENS[0]}"]
)
def test_without_a_token_nobody_gets_in(service, header):
    headers = {} if header is None else {"Authorization": header}
    for method, path in (
        ("POST", "/grade/direct"),
        ("POST", "/grade/pairwise"),
        ("POST", "/admin/reload"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
    ):
        answer = httpx.request(method, f"{service.address}{path}", headers=headers, content=b"x")
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", path
    for path in ("/health/live", "/health/ready"):
        assert httpx.get(f"{service.address}{path}", headers=headers).status_code == 200


def test_every_token_gets_in_and_none_is_logged(service):
    for token in TOKENS:
        answer = httpx.post(
            f"{service.address}/grade/direct", json=DIRECT, headers={"authorization": f"bearer {token}"}, timeout=60
        )
        assert answer.status_code == 200
    assert not any(token in service.log.read_text() for token in TOKENS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'"' + b"[" * 9000,
        b"[" * 9000,
        b"9" * 9000,
        json.dumps(DIRECT | {"rubric": None}).encode(),
        json.dumps(DIRECT | {"response": 9}).encode(),
        json.dumps(DIRECT | {"extra": "x"}).encode(),
        json.dumps(DIRECT | {"response": "\ud800"}).encode(),
        json.dumps(DIRECT | {"item_id": "\udfff"}).encode(),
        json.dumps(DIRECT | {"\ud800": "x"}).encode(),
        json.dumps(DIRECT | {"format": "pairwise"}).encode(),
        json.dumps(DIRECT | {"rubric": RUBRIC | {"lowest": 10**30}}).encode(),
        json.dumps(DIRECT | {"rubric": RUBRIC | {"lowest": -1}}).encode(),
        json.dumps(DIRECT | {"rubric": RUBRIC | {"levels": ["no", "yes"]}}).encode(),
        json.dumps(DIRECT | {"rubric": RUBRIC | {"lowest": 0}}).encode(),
        json.dumps(PAIR).encode(),
    ],
)
def test_what_is_no_item_is_refused_and_the_fault_named(service, content):
    answer = service.client.post("/grade/direct", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert len(answer.json()["detail"]) > 10
    assert service.grade().status_code == 200


def test_json_has_to_be_declared_so_that_no_web_page_can_send_it_unasked(service):
    headers = {"content-type": "text/plain"}
    assert service.client.post("/grade/direct", content=json.dumps(DIRECT), headers=headers).status_code == 422


def test_what_is_too_long_is_refused(service):
    assert service.grade(response="x" * 20000).status_code == 413
    pieces = (b"x" * 1000 for _ in range(30))
    assert service.client.post("/grade/direct", content=pieces).status_code == 413
    answer = service.grade(response="x" * 4000)  # a token a character, and 3000 may be
    assert answer.status_code == 422 and "max_prompt_tokens" in answer.json()["detail"]
    head = b"POST /grade/direct HTTP/1.1\r\nHost: x\r\n" + b"X-Y: " + b"y" * 200000
    assert send_raw(service, head).startswith(b"HTTP/1.1 400")
    lying = b"POST /grade/direct HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n"
    assert send_raw(service, lying + b"x").split()[1] in (b"400", b"401", b"413")
    assert service.grade().status_code == 200


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"", b"G"),
        (b"POST /grade/direct HTTP/1.1\r\n", b"X-Y: z\r\n"),
        (
            b"POST /grade/direct HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nAuthorization: Bearer "
            + TOKENS[0].encode()
            + b"\r\n\r\n{",
            b" ",
        ),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nPOST /grade/direct HTTP/1.1\r\n", b"X-Y: z\r\n"),
    ],
)
def test_a_slow_client_is_cut_off_and_others_do_not_wait_for_it(service, first, drop):
    cut = service.read_metric("judgeforge_connections_cut_total")
    with ThreadPoolExecutor(9) as pool:
        slow = [pool.submit(send_raw, service, first, *[drop] * 100, pause_s=0.1) for _ in range(8)]
        assert service.grade().status_code == 200
        received = [each.result() for each in slow]
    assert all(answer.count(b"HTTP/1.1 408") == 1 for answer in received)
    assert service.read_metric("judgeforge_connections_cut_total") == cut + 8
    assert service.grade().status_code == 200


def test_a_connection_may_be_idle_between_requests(service):
    with httpx.Client(base_url=service.address) as client:
        sockets = set()
        for _ in range(2):
            stream = client.get("/health/live").extensions["network_stream"]
            sockets.add(stream.get_extra_info("client_addr"))
            time.sleep(1.5)  # longer than the time for a request
    assert len(sockets) == 1


def test_requests_are_counted_by_route_and_status(service):
    def count(route: str, status: int) -> float:
        name = f'judgeforge_requests_total{{route="{route}",status="{status}"}}'
        lines = service.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    before = count("/grade/direct", 200), count("/grade/direct", 422), count("other", 404)
    service.grade(), service.grade(rubric=None), service.client.get("/a"), service.client.get("/b")
    after = count("/grade/direct", 200), count("/grade/direct", 422), count("other", 404)
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 2]
    assert 'judgeforge_model_info{version="judge"} 1.0' in service.client.get("/metrics").text
