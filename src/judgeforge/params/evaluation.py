"""Type of the section ``evaluate``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from judgeforge.params.section import Positive, Section, Seed


class AuditParams(Section):
    """When a benchmark item counts as trained on; docs/contamination.md says how.

    Args:
        ngram_words: words in an n-gram; 13 as in the audits of GPT-3 and lm-eval.
        ngram_share: of a text's n-grams that stand in the training texts.
    """

    ngram_words: Positive
    ngram_share: Annotated[float, Field(gt=0, le=1)]


class VllmParams(Section):
    """What vLLM takes of the machine.

    Args:
        tensor_parallel_size: GPUs that one judge is spread over; its weights must fit into them together.
        gpu_memory_utilization: share of each GPU's memory for weights and cache.
        cpu_cache_gib: memory for the cache of keys and values where there is no GPU, in GiB.
    """

    tensor_parallel_size: Positive
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)]
    cpu_cache_gib: Positive


class EvaluateParams(Section):
    """From a judge to verdicts and metrics.

    Args:
        mode: ``clean``, or ``paper`` to compare with published tables; docs/judging.md says what each does. ``paper``
            takes its own samples, orders, temperature, top_p and repetition penalty, whatever stands below.
        engine: what runs the judges: ``transformers``, or ``vllm`` (which ``make setup-vllm`` installs).
        benchmarks: names, or YAML files of benchmarks of one's own, in the order of the report.
        benchmarks_folder: where the real benchmark files are; None: only embedded ones can be named.
        max_prompts: evaluate on this many prompts a benchmark, drawn by seed (whole clusters). None: all.
        seed: of subsets, A/B placement, sampling and bootstrap.
        samples: independent answers an item; more than one needs a temperature.
        direct_for_pairwise: judge pairs by two direct grades, too, for the consistency across formats.
        expectation: score by expectation over the verdict token's probabilities instead of the token itself.
        constrained: decode the closing verdict under a constraint, so that nothing is unparsable.
        batch_size: conversations decoded together.
        max_new_tokens: 1024 in the paper.
        max_prompt_tokens: a longer prompt is not judged; it is counted as unparsable.
        temperature: 0 is greedy; the paper samples at 1.0.
        top_p: 0.9 in the paper.
        repetition_penalty: 1.03 in the paper; 1 switches it off.
        dtype: of weights and arithmetic.
        cpu_threads: as in ``train``.
        vllm: what the engine ``vllm`` takes of the machine.
        max_contaminated_share: a benchmark that loses a larger share of its items to the audit is marked, and the gate
            does not use it.
        bootstrap_resamples: of the prompt clusters.
        confidence: of the intervals.
    """

    mode: Literal["clean", "paper"]
    engine: Literal["transformers", "vllm"]
    benchmarks: tuple[str, ...] = Field(min_length=1)
    benchmarks_folder: str | None
    max_prompts: Positive | None
    seed: Seed
    samples: Positive
    direct_for_pairwise: bool
    expectation: bool
    constrained: bool
    batch_size: Positive
    max_new_tokens: Positive
    max_prompt_tokens: Positive
    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    repetition_penalty: Annotated[float, Field(gt=0)]
    dtype: Literal["bfloat16", "float32"]
    cpu_threads: Positive | None
    vllm: VllmParams
    max_contaminated_share: Annotated[float, Field(ge=0, le=1)]
    bootstrap_resamples: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _samples_differ(self) -> "EvaluateParams":
        if self.mode == "clean" and self.samples > 1 and self.temperature == 0:
            raise ValueError("samples above 1 need a temperature above 0: greedy answers are all the same")
        return self
