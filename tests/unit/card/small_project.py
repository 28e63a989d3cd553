"""A finished project in small, by hand: what the stages leave behind of a merged judge, with weights of a few bytes."""

import json
from pathlib import Path
from typing import Any

import yaml

from judgeforge.card.places import Places
from judgeforge.grading.templates import load_template, write_template

ROOT = Path(__file__).resolve().parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BOOTSTRAP = {"confidence": 0.95, "resamples": 200, "seed": 1}
TRAIN = {
    "method": "lora",
    "lora": {"rank": 8, "alpha": 16, "dropout": 0.0, "last_layers": None, "experts": True},
    "epochs": 2.0,
    "batch_size": 4,
    "gradient_accumulation": 2,
    "max_length_tokens": 512,
    "learning_rate": 0.0001,
    "distribution": {"processes": 2, "nodes": 1},
}
SOURCES = [
    {
        "name": "tickets",
        "kind": "hub",
        "repository": "somebody/tickets",
        "revision": COMMIT,
        "split": "train",
        "columns": "feedback_collection",
        "weight": 1.0,
        "licence": "CC-BY-4.0",
    },
    {"name": "own", "kind": "file", "path": "collections/own.jsonl", "columns": "feedback_collection", "weight": 0.5},
]


def figure(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def build_direct(value: float | None, low: float | None, high: float | None, **changes: Any) -> dict[str, Any]:
    """Build an entry of scores: 40 prompts; the judge gives a 5 twice where eight deserve it."""
    table = [[8, 0, 0, 0, 0, 0], [2, 6, 0, 0, 0, 0], [0, 2, 6, 0, 0, 0], [0, 0, 0, 8, 0, 0], [0, 0, 2, 3, 2, 1]]
    metrics = {"pearson": figure(value, low, high), "mae": figure(0.5, 0.4, 0.6), "kendall": figure(None)}
    entry = {"format": "direct", "metrics": metrics, "confusion": table, "scale": [1, 5], "unparsable_rate": 0.025}
    entry |= {"groups": {"mails": {"items": 20, "value": 0.9}, "maps": {"items": 20, "value": 0.2}}}
    return build_shared() | entry | changes


def build_pairwise(
    value: float, low: float, high: float, lean: tuple[float, float, float], **changes: Any
) -> dict[str, Any]:
    metrics = {
        "accuracy": figure(value, low, high),
        "swap_consistency": figure(0.75, 0.7, 0.8),
        "position_bias": figure(*lean),
        "length_bias": figure(0.01, -0.05, 0.07),
    }
    entry = {"format": "pairwise", "metrics": metrics, "unparsable_rate": 0.0, "transitivity": None, "ties": 0}
    return build_shared() | entry | {"groups": {}} | changes


def build_shared() -> dict[str, Any]:
    return {
        "answers": 80,
        "items": 40,
        "prompts": 40,
        "contaminated": 0,
        "barred": False,
        "bootstrap": BOOTSTRAP,
        "ceiling": None,
        "coverage": 1.0,
        "mode": "clean",
        "run_alpha": None,
    }


def build_metrics() -> dict[str, Any]:
    """Two benchmarks: on ``mails`` the judge is good, on ``duels`` it is worse than the pairwise one and leans."""
    merged = {
        "duels": build_pairwise(0.7, 0.6, 0.8, (0.1, 0.04, 0.16)),
        "mails": build_direct(0.8, 0.78, 0.82),
    }
    pairwise = {"duels": build_pairwise(0.9, 0.85, 0.95, (0, -0.1, 0.1)), "mails": build_direct(0.3, 0.2, 0.4)}
    longer = {"duels": build_pairwise(0.65, 0.6, 0.7, (0, 0, 0)), "mails": build_direct(None, None, None)}
    duels, mails = {"measure": "accuracy"}, {"measure": "pearson"}
    differences = {
        "pairwise": {"duels": duels | figure(-0.2, -0.3, -0.1), "mails": mails | figure(0.5, 0.4, 0.6)},
        "longer": {"duels": duels | figure(0.05, -0.05, 0.15), "mails": mails | figure(None)},
    }
    return {"merged": merged, "pairwise": pairwise, "longer": longer, "differences": differences}


def write(path: str, value: Any) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(value if isinstance(value, str) else json.dumps(value))


def write_project() -> Places:
    """Write it into the current folder."""
    _write_values()
    template = load_template("judgeforge-1")
    for name in ("direct", "pairwise", "merged"):
        Path(f"models/{name}").mkdir(parents=True)
        write_template(template, Path(f"models/{name}"))
    for name in ("direct", "pairwise"):
        write(f"models/{name}/training.json", {"format": name, "base": "models/base", "notes": [], "train": TRAIN})
        points = [{"step": 5, "loss": 1.0}, {"step": 10, "loss": 0.5}, {"step": 10, "validation_loss": 0.75}]
        write(f"curves/{name}.jsonl", "".join(json.dumps(point) + "\n" for point in points))
    write("models/merged/config.json", {"architectures": ["LlamaForCausalLM"]})
    write("models/merged/model.safetensors", "weights")
    write("models/merged/merge.json", _build_merge())
    write("reports/metrics.json", build_metrics())
    write("evaluation/merged/metrics.json", _build_own())
    write("data/statistics.json", _build_statistics())
    write("data/audit.json", {"mails": {"items": 41, "contaminated": ["a"], "share": 0.024, "by": {"instruction": 1}}})
    write("reports/data_card.md", "# Data card\n")
    write("reports/decision.json", _build_decision())
    return Places(
        judge="merged",
        model=Path("models/merged"),
        metrics=Path("reports/metrics.json"),
        verdicts=Path("evaluation/merged"),
        decision=Path("reports/decision.json"),
    )


def _write_values() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["base"] = {"source": "hub", "name": "somebody/model-7b", "revision": COMMIT, "dtype": "bfloat16"}
    params["prepare"]["sources"] = SOURCES
    named = {"model_name": "our-judge", "judge": "merged", "margin": 0.05}
    params["promote"] |= named | {"licence": "MIT", "base_licence": "Apache-2.0"}
    write("params.yaml", yaml.safe_dump(params))
    models = {name: {"path": f"models/{name}"} for name in ("base", "direct", "pairwise", "merged")}
    stages: dict[str, Any] = {"base": {"outs": [models["base"]], "params": {"params.yaml": {"base": params["base"]}}}}
    outs = [{"path": "data/train", "md5": "1.dir"}, {"path": "data/statistics.json"}, {"path": "reports/data_card.md"}]
    stages["prepare"] = {"outs": outs, "params": {"params.yaml": {"prepare": params["prepare"]}}}
    stages["audit"] = {"outs": [{"path": "data/audit.json"}]}
    for name in ("direct", "pairwise"):
        made = [models[name], {"path": f"curves/{name}.jsonl"}]
        stages[f"train@{name}"] = {"deps": [models["base"]], "outs": made}
    read = [models[name] for name in ("base", "direct", "pairwise")]
    stages["merge"] = {"deps": read, "outs": [models["merged"]], "params": {"params.yaml": {"merge": params["merge"]}}}
    stages["evaluate@merged"] = {"deps": [models["merged"]], "outs": [{"path": "evaluation/merged"}]}
    stages["report"] = {"outs": [{"path": "reports/metrics.json"}, {"path": "reports/report.html"}]}
    write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


def _build_merge() -> dict[str, Any]:
    values = {"method": "ties", "alpha": 0.5, "scaling": 1.0, "density": 0.5, "normalize": False}
    values |= {"engine": "streaming", "canary": True, "dtype": "bfloat16", "seed": 42}
    drift = {"least": {"layer": "layers.0", "norm": 0.9}, "most": {"layer": "layers.1", "norm": 1.0}}
    return {
        "values": values,
        "checks": {"drift": drift},
        "parameters": 7_000_000,
        "inputs": {"direct": {"adapter_model.safetensors": "d1", "config.json": "c1"}},
        "folded": ["direct"],
        "versions": {"judgeforge": "0.1.0", "python": "3.11.0"},
        "command": "python -m judgeforge.merge --out models/merged-again",
    }


def _build_own() -> dict[str, Any]:
    generation = {"temperature": 0.0, "max_new_tokens": 128}
    own = {"judge": "merged", "mode": "clean", "origin": "model", "verdicts": "v1", "generation": generation}
    return own | {"benchmarks": build_metrics()["merged"], "contents": {"mails": "m1", "duels": "d1"}}


def _build_statistics() -> dict[str, Any]:
    shared = {"examples": [], "share": 0.0, "action": "report"}
    return {
        "findings": {
            "language": shared
            | {"count": 3, "looked_at": 100, "threshold": None, "passed": True}
            | {"languages": {"en": 70, "de": 10, "it": 1, "unknown": 19}},
            "duplicates": shared | {"count": 60, "looked_at": 100, "threshold": 0.5, "passed": False},
        },
        "formats": {"direct": {"rows": 90, "instructions": 18}, "validation_direct": {"rows": 10, "instructions": 2}},
        "sources": {"tickets": {"read": 80, "quarantined": 1, "withdrawn": 2}},
    }


def _build_decision() -> dict[str, Any]:
    decision = {"outcome": "promoted", "summary": "Promoted: better by 0.1."}
    return {"model": "our-judge", "version": "3", "when": "2026-01-02T03:04:05+00:00", "decision": decision}
