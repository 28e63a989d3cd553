"""The bill of materials in CycloneDX 1.6: the judge, its base, its data, and the environment that it was made in.

The library writes all of it but the model card, which it does not know yet. Nothing depends on the time: no timestamp,
and the serial number is derived from the content.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from judgeforge import __version__
from judgeforge.card.facts import Facts
from judgeforge.card.model_card import build_model_card
from judgeforge.card.packages import OWN, Package
from judgeforge.card.words import find_base_licence, find_package, locate
from judgeforge.files import hash_file
from judgeforge.report.words import name_benchmark

_MODEL = "model"
_LICENCES, _HASHES = LicenseFactory(), HashTypeFactory()


def render_bom(facts: Facts, packages: Sequence[Package]) -> str:
    """Render the bill of materials as JSON. Equal inputs give equal bytes.

    Args:
        facts: of the judge.
        packages: of the environment.
    """
    judge = _build_judge(facts)
    base, data = _build_base(facts), [*_list_sources(facts), *_list_benchmarks(facts)]
    libraries = {each.name: _build_library(each) for each in packages}
    bom = Bom(
        metadata=BomMetaData(component=judge, tools=ToolRepository(components=[_build_tool()])),
        components=[base, *data, *libraries.values()],
    )
    own = [libraries[OWN]] if OWN in libraries else []
    package = find_package(facts.base)
    carrier = [libraries[name] for name in libraries if package and canonicalize_name(package.name) == name]
    bom.dependencies = [
        _depend(judge, [base, *data, *own]),
        _depend(base, carrier),
        *(_depend(each, []) for each in data),
        *(_depend(libraries[each.name], [libraries[name] for name in each.requires]) for each in packages),
    ]
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]
    document["metadata"]["component"]["modelCard"] = build_model_card(facts, [str(each.bom_ref) for each in data])
    del document["serialNumber"]
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _depend(component: Component, on: Iterable[Component]) -> Dependency:
    return Dependency(component.bom_ref, [Dependency(each.bom_ref) for each in on])


def _build_tool() -> Component:
    return Component(name=OWN, version=__version__, type=ComponentType.APPLICATION, bom_ref="tool")


def _build_judge(facts: Facts) -> Component:
    """Build the judge, with a digest of each file of weights."""
    weights = [
        Component(
            name=path.name,
            type=ComponentType.FILE,
            bom_ref=f"{_MODEL}/{path.name}",
            hashes=[_HASHES.from_hashlib_alg("sha256", hash_file(path))],
        )
        for path in sorted(facts.places.model.glob("*.safetensors"))
    ]
    return Component(
        name=facts.name,
        version=facts.lineage.get("git_commit"),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=_MODEL,
        description=f"LLM judge ({facts.places.judge})",
        licenses=_write_licence(facts.promote.licence),
        components=weights,
        properties=[Property(name=f"judgeforge:{name}", value=value) for name, value in sorted(facts.lineage.items())],
    )


def _build_base(facts: Facts) -> Component:
    base = facts.base
    purl = None
    if base.source == "hub":
        owner, _, name = base.name.rpartition("/")
        purl = PackageURL("huggingface", owner or None, name, base.revision or None)
    return Component(
        name=base.name,
        version=base.revision or None,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="base",
        purl=purl,
        licenses=_write_licence(find_base_licence(facts)),
        properties=[Property(name="judgeforge:source", value=base.source)],
    )


def _list_sources(facts: Facts) -> list[Component]:
    counts = (facts.statistics or {}).get("sources", {})
    found = []
    for source in facts.data:
        rows = counts.get(source.name, {}).get("read")
        properties = {"judgeforge:source": locate(source), "judgeforge:role": "training"}
        properties |= {} if rows is None else {"judgeforge:rows": str(rows)}
        found.append(
            Component(
                name=source.name,
                version=source.revision if source.kind == "hub" else None,
                type=ComponentType.DATA,
                bom_ref=f"data/{source.name}",
                licenses=_write_licence(source.licence),
                properties=[Property(name=name, value=value) for name, value in properties.items()],
            )
        )
    return found


def _list_benchmarks(facts: Facts) -> list[Component]:
    digests = facts.own.get("contents") or {}
    found = []
    for name, entry in (facts.evaluation.metrics if facts.evaluation else {}).items():
        properties = {"judgeforge:role": "evaluation", "judgeforge:items": str(entry["items"])}
        properties |= {"judgeforge:contents": digests[name]} if name in digests else {}
        found.append(
            Component(
                name=name,
                type=ComponentType.DATA,
                bom_ref=f"benchmark/{name}",
                description=name_benchmark(name),
                properties=[Property(name=key, value=value) for key, value in properties.items()],
            )
        )
    return found


def _build_library(package: Package) -> Component:
    purl = PackageURL("pypi", None, package.name, package.version)
    hashes = []
    for algorithm, digest in sorted(package.hashes.items()):
        try:
            hashes.append(_HASHES.from_hashlib_alg(algorithm, digest))
        except CycloneDxException:  # an algorithm that the format has no name for
            continue
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        description=package.summary,
        licenses=_write_licence(package.licence),
        hashes=hashes,
    )


def _write_licence(text: str | None) -> list[Any]:
    """Write a licence as an SPDX identifier or expression where it is one, else by the name that it was given."""
    return [_LICENCES.make_from_string(text)] if text else []
