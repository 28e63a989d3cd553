from pathlib import Path

import pytest
from large_evaluation import load_large, write_large
from small_evaluation import load, write_inputs

from judgeforge.report.sources import Sources


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the inputs; a test that changes them copies it first."""
    root = tmp_path_factory.mktemp("report")
    write_inputs(root)
    return root


@pytest.fixture(scope="session")
def sources(inputs: Path) -> Sources:
    return load(inputs)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return a report of real size: eleven judges, published benchmarks, nothing trained here."""
    root = tmp_path_factory.mktemp("large")
    write_large(root)
    return load_large(root)
