"""Licences, citation, and where the judge comes from: commit, digests, versions."""

import importlib.metadata
from collections.abc import Mapping

from judgeforge.card.facts import Facts
from judgeforge.card.markup import Section, code, enumerate_words, escape, fence, join, tabulate
from judgeforge.card.words import NOT_RECORDED, NOT_STATED, describe_base, find_base_licence

BOM_FILE = "sbom.cdx.json"
_OWN, _BASE, _SOURCES = (
    f"params.yaml, `{key}`" for key in ("promote.licence", "promote.base_licence", "prepare.sources")
)
_SHOWN = ("judgeforge", "torch", "transformers", "peft", "mergekit", "vllm", "numpy", "polars", "mlflow", "dvc")
_RECIPE = """@misc{kim2024prometheus2,
  title = {Prometheus 2: An Open Source Language Model Specialized in Evaluating Other Language Models},
  author = {Kim, Seungone and others},
  year = {2024},
  eprint = {2405.01535},
  archivePrefix = {arXiv}
}"""
_MERGES: Mapping[str, str] = {
    "task_arithmetic": "arXiv 2212.04089 (task arithmetic)",
    "ties": "arXiv 2306.01708 (TIES)",
    "dare_linear": "arXiv 2311.03099 (DARE)",
    "dare_ties": "arXiv 2311.03099 (DARE) and arXiv 2306.01708 (TIES)",
}


def describe_licence(facts: Facts) -> Section:
    """Say under which licence the judge and its parts are, as far as that is stated."""
    own, found = facts.promote.licence, find_base_licence(facts)
    rows = [
        ["this judge", escape(own or NOT_STATED), _OWN if own else ""],
        [
            f"base: {describe_base(facts.base)}",
            escape(found or NOT_STATED),
            _BASE if facts.promote.base_licence else "the package's metadata" if found else "",
        ],
    ]
    rows += [
        [f"data: {code(each.name)}", escape(each.licence or NOT_STATED), _SOURCES if each.licence else ""]
        for each in facts.data
    ]
    warning = "" if own else "No licence is stated for this judge: until there is one, it may not be handed on."
    return Section("licence", "Licence", join([tabulate(["of", "licence", "stated in"], rows), warning]))


def describe_citation(facts: Facts) -> Section:
    """Say whom to cite."""
    method = ((facts.merge or {}).get("values") or {}).get("method", "")
    merge = f"The merge: {_MERGES[method]}." if method in _MERGES else ""
    return Section("citation", "Citation", join(["The recipe is due to:", fence(_RECIPE, "bibtex"), merge]))


def describe_lineage(facts: Facts) -> Section:
    """Say where the judge comes from."""
    rows = [
        ["commit of the code", code(facts.lineage.get("git_commit", "")) or NOT_RECORDED],
        ["SHA-256 of dvc.lock", code(facts.lineage.get("dvc_lock_sha256", "")) or NOT_RECORDED],
    ]
    data = {name.removeprefix("data."): digest for name, digest in facts.lineage.items() if name.startswith("data.")}
    rows += [[f"MD5 of {code(path)}", code(digest) or NOT_RECORDED] for path, digest in sorted(data.items())]
    for name, files in sorted(((facts.merge or {}).get("inputs") or {}).items()):
        weights = {file: digest for file, digest in files.items() if file.endswith(".safetensors")}
        rows += [[f"BLAKE3 of {code(name)}, {code(file)}", code(digest)] for file, digest in sorted(weights.items())]
    for name, digest in sorted((facts.own.get("contents") or {}).items()):
        rows.append([f"items of {code(name)}", code(digest)])
    if facts.own.get("verdicts"):
        rows.append(["SHA-256 of its verdicts", code(facts.own["verdicts"])])
    if facts.template is not None:
        rows.append([f"judge template {code(facts.template.name)}", code(facts.template.compute_digest())])
    merged = ", ".join(f"{name} {version}" for name, version in sorted(_list_merge_versions(facts).items()))
    rows.append(["merged with", escape(merged) or NOT_RECORDED])
    here = ", ".join(f"{name} {version}" for name in _SHOWN if (version := _find_version(name)))
    rows.append(["packages where this card was written", f"{escape(here)}; all of them: [{BOM_FILE}]({BOM_FILE})"])
    changed = (
        f"params.yaml has other values now in {enumerate_words([code(name) for name in facts.changed])} than those the "
        "judge was made with. This card has those of dvc.lock."
        if facts.changed
        else ""
    )
    return Section("lineage", "Lineage", join([tabulate(["", ""], rows), changed]))


def _list_merge_versions(facts: Facts) -> dict[str, str]:
    return dict((facts.merge or {}).get("versions") or {})


def _find_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
