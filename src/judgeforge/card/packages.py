"""The environment: what is installed, under which licence, and what requires what."""

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from judgeforge.card.words import find_licence

OWN = "judgeforge"


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    Args:
        name: as indexes write it, in lower case with hyphens.
        licence: as its metadata state it.
        summary: in a line.
        hashes: of the archive that it was installed from, by algorithm; empty where the installer kept none.
        requires: names of installed packages that it needs, by the extras that are asked of it.
    """

    name: str
    version: str
    licence: str | None
    summary: str | None
    hashes: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()


def list_packages(distributions: Iterable[importlib.metadata.Distribution] | None = None) -> list[Package]:
    """List the installed packages by name, each once.

    Args:
        distributions: None: those of this interpreter.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    for each in importlib.metadata.distributions() if distributions is None else distributions:
        # The first on the path is the one that is imported.
        if each.metadata["Name"]:
            found.setdefault(canonicalize_name(each.metadata["Name"]), each)
    needs = _resolve(found)
    return [
        Package(
            name=name,
            version=found[name].version,
            licence=find_licence(found[name]),
            summary=_find_summary(found[name]),
            hashes=_find_hashes(found[name]),
            requires=tuple(sorted(needs[name])),
        )
        for name in sorted(found)
    ]


def _find_summary(distribution: importlib.metadata.Distribution) -> str | None:
    text = (distribution.metadata.get_all("Summary") or [""])[0]
    return text if text not in ("", "UNKNOWN") else None


def _resolve(found: Mapping[str, importlib.metadata.Distribution]) -> dict[str, set[str]]:
    """Tell which package needs which; extras count where a package asks for them, and all of judgeforge's own."""
    requirements = {name: [Requirement(each) for each in dist.requires or []] for name, dist in found.items()}
    extras: dict[str, set[str]] = {name: {""} for name in found}
    if OWN in found:
        extras[OWN] |= set(found[OWN].metadata.get_all("Provides-Extra") or [])
    needs: dict[str, set[str]] = {name: set() for name in found}
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for each in requirements[name]:
            other = canonicalize_name(each.name)
            if other not in found or other == name:
                continue
            if each.marker and not any(each.marker.evaluate({"extra": extra}) for extra in sorted(extras[name])):
                continue
            needs[name].add(other)
            if not each.extras <= extras[other]:
                extras[other] |= each.extras
                waiting.append(other)
    return needs


def _find_hashes(distribution: importlib.metadata.Distribution) -> dict[str, str]:
    """Read the archive's digests, which installers keep for what was named by an address (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    archive = json.loads(text).get("archive_info", {}) if text else {}
    return dict(archive.get("hashes") or {})
