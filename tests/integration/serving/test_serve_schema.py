"""schemathesis makes requests from the description: none gives a status 5xx, or one that is not described."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.serving.conftest import TOKENS

KNOWN = {"Authorization": f"Bearer {TOKENS[0]}"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GRADING = ("/grade/direct", "/grade/pairwise")
OTHERS = {"/admin/reload": "POST", "/health/live": "GET", "/health/ready": "GET", "/metrics": "GET"}
CASES = [("POST", path, mode) for path in GRADING for mode in GenerationMode]
CASES += [(method, path, GenerationMode.POSITIVE) for path, method in OTHERS.items()]
EXAMPLES = {True: 100, False: 10}


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_nothing_that_can_be_described_breaks_the_service(service, method, path, mode):
    described = schemathesis.openapi.from_url(f"{service.address}/openapi.json", headers=KNOWN)
    sent = []

    @settings(
        max_examples=EXAMPLES[path in GRADING],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def send(case):
        sent.append(case.call_and_validate(headers=KNOWN, checks=CHECKS).status_code)

    send()
    assert len(sent) >= (10 if path in GRADING else 1)
    if path in GRADING:
        assert (422 in sent or 400 in sent) if mode is GenerationMode.NEGATIVE else (200 in sent)


def test_the_description_names_formats_limits_and_token(service):
    document = service.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        *("/grade/direct", "/grade/pairwise", "/health/live", "/health/ready", "/metrics", "/admin/reload")
    }
    for path in GRADING:
        posted = document["paths"][path]["post"]
        assert {"200", "401", "413", "422", "503", "504"} <= set(posted["responses"])
        assert posted["security"] == [{"HTTPBearer": []}]
    example = document["components"]["schemas"]["PairwiseRequest"]["examples"][0]
    assert service.client.post("/grade/pairwise", json=example).status_code == 200
