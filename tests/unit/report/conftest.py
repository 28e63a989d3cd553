from pathlib import Path

import pytest
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
