"""vLLM for real, in process and behind ``vllm serve`` on loopback: the same verdicts as the transformers engine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from judgeforge.engines.endpoint.engine import EndpointEngine
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Completion, Conversation, Engine, Generation
from judgeforge.engines.transformers import TransformersEngine
from judgeforge.engines.vllm import VllmEngine
from judgeforge.errors import InputError
from judgeforge.files import write_json
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import Scale
from judgeforge.merge.run import merge_judges
from judgeforge.params import VllmParams
from judgeforge.weights.combine import write_combined_adapter
from judgeforge.weights.parts import JudgePart

pytestmark = pytest.mark.vllm

GREEDY = {
    "max_new_tokens": 32,
    "max_prompt_tokens": 400,
    "temperature": 0.0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "seed": 1,
}
OPTIONS = {"batch_size": 8, "dtype": "float32", "cpu_threads": 2}
MACHINE = VllmParams(tensor_parallel_size=1, gpu_memory_utilization=0.5, cpu_cache_gib=1)
VLLM_OPTIONS = OPTIONS | {"machine": MACHINE}
START_S = 240


def ask(count: int = 6) -> list[Conversation]:
    formats = ("direct", "pairwise")
    return [
        Conversation(format=formats[n % 2], messages=({"role": "user", "content": f"Say {n}. " + "x " * 9 * n},))
        for n in range(count)
    ]


def read(engine: Engine, conversations: list[Conversation]) -> list[Completion]:
    found = dict(engine.complete(conversations))
    assert sorted(found) == list(range(len(conversations)))
    return [found[index] for index in range(len(conversations))]


@pytest.fixture(scope="module")
def free(miniature, template) -> VllmEngine:
    return VllmEngine(miniature, template=template, generation=Generation.model_validate(GREEDY), **VLLM_OPTIONS)


def with_generation(engine: VllmEngine, **decoding) -> VllmEngine:
    """The same loaded model, decoding otherwise: loading takes half a minute."""
    engine._generation = Generation.model_validate(GREEDY | decoding)
    return engine


def test_verdicts_are_constrained_to_the_scale_of_their_item(free, template):
    engine = with_generation(free, constrained=True, expectation=True)
    pass_fail = [each.model_copy(update={"scale": Scale(0, 1)}) for each in ask() if each.format == "direct"]
    for asked, completion in zip(pass_fail, read(engine, pass_fail), strict=True):
        assert parse_verdict(completion.text, asked.format, template.result_marker, asked.scale).parsed
        assert list(completion.probabilities) == ["0", "1"]
    ten = [each.model_copy(update={"scale": Scale(1, 10)}) for each in pass_fail]
    with pytest.raises(InputError, match="10 is more than one token"):
        read(engine, ten)
    assert len(read(with_generation(free), ten)) == len(ten)


def test_greedy_answers_are_those_of_the_transformers_engine(free, miniature, template):
    generation = Generation.model_validate(GREEDY)
    own = read(TransformersEngine(miniature, template=template, generation=generation, **OPTIONS), ask())
    found = read(with_generation(free), ask())
    assert [each.text for each in found] == [each.text for each in own]
    assert [(each.finish, each.prompt_tokens) for each in found] == [(each.finish, each.prompt_tokens) for each in own]


def test_a_prompt_that_is_too_long_is_said_and_the_others_are_answered(free):
    conversations = [*ask(2), Conversation(format="direct", messages=({"role": "user", "content": "y " * 900},))]
    found = read(with_generation(free), conversations)
    assert [each.finish for each in found] == ["length", "length", "prompt_too_long"]


def test_under_the_constraint_all_verdicts_parse_and_their_chances_are_the_models(free, miniature, template):
    wanted = {"constrained": True, "expectation": True, "max_new_tokens": 24}
    generation = Generation.model_validate(GREEDY | wanted)
    own = read(TransformersEngine(miniature, template=template, generation=generation, **OPTIONS), ask())
    found = read(with_generation(free, **wanted), ask())
    for conversation, one, other in zip(ask(), found, own, strict=True):
        assert parse_verdict(one.text, conversation.format, template.result_marker).parsed
        assert sum(one.probabilities.values()) == pytest.approx(1)
        assert list(one.probabilities) == list(other.probabilities)
        assert one.output_tokens <= 24 + 1
        verdict = one.text[-1]
        assert one.probabilities[verdict] == max(one.probabilities.values())


def test_an_iterator_that_is_closed_leaves_the_engine_free(free):
    answers = with_generation(free).complete(ask())
    next(answers)
    answers.close()
    assert not free._engine.has_unfinished_requests()
    assert len(read(free, ask(2))) == 2


def test_a_context_that_is_too_short_is_named(miniature, template):
    generation = Generation.model_validate(GREEDY | {"max_prompt_tokens": 10_000_000})
    with pytest.raises(InputError, match=r"lower evaluate\.max_prompt_tokens"):
        VllmEngine(miniature, template=template, generation=generation, **VLLM_OPTIONS)


def test_an_adapter_runs_beside_its_base_and_samples_repeat_by_seed(train, miniature, template, tmp_path):
    adapter = train(tmp_path / "judge")
    generation = Generation.model_validate(GREEDY | {"temperature": 1.0})
    options = VLLM_OPTIONS | {"base_folder": miniature}
    engine = VllmEngine(adapter, template=template, generation=generation, **options)
    first, again = ([each.text for each in read(engine, ask(1))] for _ in range(2))
    assert first == again
    other = ask(1)[0].model_copy(update={"sample": 1})
    assert [each.text for each in read(engine, [other])] != first


def test_merges_are_run_as_adapters_one_after_another_and_in_full(train, miniature, template, params, tmp_path):
    folders = [train(tmp_path / name, format=name, learning_rate=0.05) for name in ("direct", "pairwise")]
    parts = [JudgePart(folder.name, folder, miniature) for folder in folders]
    merged, answers = {}, {}
    generation = Generation.model_validate(GREEDY)
    for alpha in (0.2, 0.8):
        values = params.merge.model_copy(update={"alpha": alpha, "dtype": "float32", "canary": False})
        merged[alpha] = tmp_path / f"merged{alpha}"
        merge_judges(values, miniature, *folders, merged[alpha])
        engine = TransformersEngine(merged[alpha], template=template, generation=generation, **OPTIONS)
        answers[alpha] = [each.text for each in read(engine, ask())]
        (tmp_path / str(alpha)).mkdir()
        write_combined_adapter(values, parts, tmp_path / str(alpha))
    assert answers[0.2] != answers[0.8], "otherwise nothing is shown"
    options = VLLM_OPTIONS | {"template": template, "generation": generation}
    engine = VllmEngine(tmp_path / "0.2", base_folder=miniature, **options)
    assert [each.text for each in read(engine, ask())] == answers[0.2]
    assert engine.take_adapter(tmp_path / "0.8")
    assert [each.text for each in read(engine, ask())] == answers[0.8]
    wide = tmp_path / "wide"
    wide.mkdir()
    write_json(wide / "adapter_config.json", {"r": 9})
    assert not engine.take_adapter(wide), "it was started for a rank of 8"
    engine.close()
    whole = VllmEngine(merged[0.8], **options)
    assert [each.text for each in read(whole, ask())] == answers[0.8]
    assert not whole.take_adapter(tmp_path / "0.2"), "it was started without adapters"


@pytest.fixture(scope="module")
def served(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(miniature)]
    command += ["--served-model-name", "judge", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--max-model-len", "448", "--enforce-eager", "--generation-config", "vllm"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment |= {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as handle:
        process = subprocess.Popen(command, env=environment, stdout=handle, stderr=subprocess.STDOUT)
        try:
            for _ in range(START_S):
                assert process.poll() is None, log.read_text()[-3000:]
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(1)
            else:
                pytest.fail(f"not healthy after {START_S} s: {log.read_text()[-3000:]}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("early", [False, True], ids=["whole", "streamed"])
def test_vllm_serve_gives_the_same_greedy_answers(served, miniature, template, tmp_path, early):
    generation = Generation.model_validate(GREEDY)
    settings = EndpointSettings(base_url=served, model="judge", api_key_env=None, stop_early=early)
    engine = EndpointEngine(settings, template=template, generation=generation, cache=tmp_path / "answers.sqlite")
    own = read(TransformersEngine(miniature, template=template, generation=generation, **OPTIONS), ask())
    assert [each.text for each in read(engine, ask())] == [each.text for each in own]


def test_vllm_serve_gives_chances_and_constrained_verdicts(served, template, tmp_path):
    generation = Generation.model_validate(GREEDY | {"constrained": True, "expectation": True, "max_new_tokens": 24})
    settings = EndpointSettings(
        base_url=served, model="judge", api_key_env=None, top_logprobs=20, structured_outputs=True
    )
    engine = EndpointEngine(settings, template=template, generation=generation, cache=tmp_path / "answers.sqlite")
    for conversation, each in zip(ask(), read(engine, ask()), strict=True):
        assert parse_verdict(each.text, conversation.format, template.result_marker).parsed
        assert sum(each.probabilities.values()) == pytest.approx(1)


def test_vllm_serve_says_when_a_prompt_is_too_long(served, template, tmp_path):
    settings = EndpointSettings(base_url=served, model="judge", api_key_env=None)
    generation = Generation.model_validate(GREEDY)
    engine = EndpointEngine(settings, template=template, generation=generation, cache=tmp_path / "answers.sqlite")
    long = Conversation(format="direct", messages=({"role": "user", "content": "y " * 900},))
    assert [each.finish for each in read(engine, [long])] == ["prompt_too_long"]
