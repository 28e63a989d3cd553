"""Wire the stage ``audit``: training sets and benchmarks -> the benchmark items that were trained on."""

from pathlib import Path

from judgeforge.audit.run import audit
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage


def main(*, train: Path, benchmarks: Path, out: Path) -> None:
    """Look for benchmark prompts in the training sets.

    Example: python -m judgeforge.audit --train data/train --benchmarks data/benchmarks --out data/audit.json
    """
    findings = audit(load_section("evaluate", EvaluateParams), train=train, benchmarks=benchmarks, out=out)
    for name, finding in findings.items():
        say(f"{name}: {len(finding['contaminated'])} of {finding['items']} items stand in the training sets")


if __name__ == "__main__":
    run_stage(main)
