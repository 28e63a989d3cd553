from pathlib import Path

import pytest
from small_project import write_project

from judgeforge.card.facts import Facts, load_facts
from judgeforge.card.places import Places


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return write_project()


@pytest.fixture
def facts(places: Places) -> Facts:
    return load_facts(places)
