"""For all tests: no deadline of Hypothesis's, for machines are busy; and no flow that ends outlives its test."""

import sys

import pytest
from hypothesis import settings

settings.register_profile("judgeforge", deadline=None)
settings.load_profile("judgeforge")


@pytest.fixture(autouse=True)
def commands_may_start() -> None:
    """That a flow is ending is its process's: a test that let one end must not stop the next test's commands."""
    if commands := sys.modules.get("flows.commands"):
        with commands.ending_commands():
            pass
