"""``judgeforge questions``: write what a judge elsewhere is to be asked, for ``evaluate --recorded``."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.engines.journal import compute_question_key
from judgeforge.evaluate.plan import plan_questions
from judgeforge.evaluate.run import load_benchmarks
from judgeforge.files import write_json_lines
from judgeforge.grading.templates import load_template
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say


def questions(
    out: Annotated[Path, typer.Argument(help="JSON Lines file to write.")],
    benchmark: Annotated[list[str] | None, typer.Option(help="Which; without it those of params.yaml.")] = None,
    template: Annotated[str, typer.Option(help="A judge template: its name, file or judge's folder.")] = "judgeforge-1",
    benchmarks: Annotated[Path, typer.Option(help="Where the embedded benchmarks are.")] = Path("data/benchmarks"),
) -> None:
    """Write the questions of benchmarks, one a line, without gold labels.

    Ask any judge the messages of each line, write its answer into the line as "text", and hand the file to
    'judgeforge evaluate --recorded' (docs/recorded-verdicts.md).

    Example: judgeforge questions questions.jsonl --benchmark hhh_alignment
    """
    params = load_section("evaluate", EvaluateParams)
    if benchmark:
        params = params.model_copy(update={"benchmarks": tuple(benchmark)})
    used = load_template(template)
    planned = plan_questions(
        load_benchmarks(params, benchmarks),
        mode="clean",
        samples=1,
        direct_for_pairwise=params.direct_for_pairwise,
        seed=params.seed,
    )
    rows = []
    for question in planned:
        conversation = question.render(used)
        rows.append(
            {
                "benchmark": question.benchmark.name,
                "item_id": question.shown.item_id,
                "order": question.order,
                "template": used.compute_digest(),
                "question": compute_question_key(conversation),
                "messages": list(conversation.messages),
            }
        )
    write_json_lines(out, rows)
    named = "".join(f" --benchmark {each}" for each in benchmark or ())
    say(
        f'{out}: {len(rows):,} questions. Add "text" to each line and run '
        f"'judgeforge evaluate --judge NAME --recorded {out}{named}'."
    )
