"""vLLM's OpenAI-compatible server as a child of the worker, on loopback, asked by the engine for endpoints.

It reads a new question beside those that are under way, so each question is asked by itself, and many at once. It is in
the worker's process group: whoever ends the worker ends it, too.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx

from judgeforge.engines.endpoint.engine import EndpointEngine
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.folders import ADAPTER_FILE, check_context, find_base, find_rank
from judgeforge.engines.protocol import build_generation
from judgeforge.engines.transformers import load_judge_tokenizer
from judgeforge.engines.vllm_setup import place_judge
from judgeforge.errors import EnvironmentFault
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.grading.rendering import join_system_message, render_chat
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.serve.grader import Graded, grade_by
from judgeforge.serve.messages import Job

_NAME = "judge"
_KEY = "JUDGEFORGE_VLLM_KEY"
_ANSWER_S = 3600.0
_MOST_LANES = 64
_CPU_BLOCK_TOKENS = "32"


class VllmServerGrader:
    """A judge behind vLLM's server.

    Args:
        job: which, and how it decodes.
        template: the judge's own.
        address: of the server, with ``/v1``.
    """

    batch = 1

    def __init__(self, job: Job, template: JudgeTemplate, address: str) -> None:
        self.lanes = min(job.params.batch_size, _MOST_LANES)
        self._template, self._generation = template, build_generation(job.params)
        self._settings = EndpointSettings(
            base_url=address,
            model=_NAME,
            api_key_env=_KEY,
            timeout_s=_ANSWER_S,
            max_attempts=1,  # a server that fails is ended with the worker, and both are started anew
            stop_early=True,
            top_logprobs=20,
            structured_outputs=True,
            system_message=_takes_system_message(job.model),
        )

    def grade(self, items: Sequence[DirectItem | PairwiseItem]) -> Iterator[Graded]:
        """See ``judgeforge.serve.grader.Grader``."""
        # The engine keeps answers, since others are paid for; here they are gone with the request.
        with tempfile.TemporaryDirectory() as folder:
            engine = EndpointEngine(
                self._settings, template=self._template, generation=self._generation, cache=Path(folder) / "answers"
            )
            yield from grade_by(engine, items, self._template)


@contextmanager
def open_vllm_server(job: Job, template: JudgeTemplate) -> Iterator[VllmServerGrader]:
    """Start the server and wait until it answers.

    Raises:
        EnvironmentFault: vLLM is not installed, or its server does not start.
        InputError: the model's context is too short.
    """
    if find_spec("vllm") is None:
        raise EnvironmentFault(
            "vLLM is not installed.", "install it with 'make setup-vllm', or set evaluate.engine to transformers."
        )
    check_context(job.model, job.base, build_generation(job.params))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ[_KEY] = secrets.token_hex(32)
    process = subprocess.Popen(
        [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *_list_options(job, port)],
        env=os.environ | _list_variables(job),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        _wait_until_healthy(process, port)
        yield VllmServerGrader(job, template, f"http://127.0.0.1:{port}/v1")
    finally:
        process.terminate()


def _takes_system_message(model: Path) -> bool:
    """Tell whether the chat template takes one; if not, ``render_chat`` joins it to the user's."""
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    tokenizer = load_judge_tokenizer(model)
    return render_chat(tokenizer, messages) != render_chat(tokenizer, join_system_message(messages))


def _list_options(job: Job, port: int) -> list[str]:
    params, model = job.params, job.model
    served = find_base(model, job.base) if (model / ADAPTER_FILE).is_file() else model
    options = ["--host", "127.0.0.1", "--port", str(port), "--model", str(served), "--tokenizer", str(model)]
    options += ["--served-model-name", _NAME if served == model else "base", "--generation-config", "vllm"]
    if served != model:
        options += ["--enable-lora", "--max-lora-rank", str(find_rank(model)), "--lora-modules", f"{_NAME}={model}"]
    length = params.max_prompt_tokens + params.max_new_tokens
    options += ["--dtype", params.dtype, "--max-model-len", str(length), "--max-num-seqs", str(params.batch_size)]
    options += ["--seed", str(params.seed), "--enable-prefix-caching"]
    options += ["--uvicorn-log-level", "warning"]
    if _is_on_gpu(job):
        options += ["--tensor-parallel-size", str(params.vllm.tensor_parallel_size)]
        return [*options, "--gpu-memory-utilization", str(params.vllm.gpu_memory_utilization)]
    return [*options, "--enforce-eager", "--block-size", _CPU_BLOCK_TOKENS]


def _is_on_gpu(job: Job) -> bool:
    return "tensor_parallel_size" in place_judge(job.params.vllm)


def _list_variables(job: Job) -> dict[str, str]:
    variables = {"VLLM_API_KEY": os.environ[_KEY], "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    if not _is_on_gpu(job):
        variables |= {
            "VLLM_CPU_KVCACHE_SPACE": str(job.params.vllm.cpu_cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
        if job.params.cpu_threads is not None:
            variables["OMP_NUM_THREADS"] = str(job.params.cpu_threads)
    return variables


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait for as long as the service does: it ends both if this takes too long."""
    while process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise EnvironmentFault("vLLM's server did not start.", "read what it said above.")
