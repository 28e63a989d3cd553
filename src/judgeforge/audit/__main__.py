"""Wire the stage ``audit``: training sets and benchmarks -> the benchmark items that were trained on."""

from pathlib import Path

from judgeforge.audit.run import audit
from judgeforge.params import AuditParams, EvaluateParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage


def main(*, train: Path, form: Path | None = None, benchmarks: Path, out: Path) -> None:
    """Look for the instructions and responses of benchmarks in the training sets, those of the form included.

    Example: python -m judgeforge.audit --train data/train --form data/form --benchmarks data/benchmarks
    --out data/audit.json
    """
    params, evaluation = load_section("audit", AuditParams), load_section("evaluate", EvaluateParams)
    folders = [train, *([form] if form else [])]
    findings = audit(params, evaluation, train=folders, benchmarks=benchmarks, out=out)
    for name, finding in findings.items():
        ways = ", ".join(f"{way.replace('_', ' ')} {count}" for way, count in finding["by"].items() if count)
        count = len(finding["contaminated"])
        say(f"{name}: {count} of {finding['items']} items stand in the training sets{f' ({ways})' if ways else ''}")


if __name__ == "__main__":
    run_stage(main)
