"""The run's logger, for what people read in Prefect."""

import logging
from typing import TypeAlias

from prefect import get_run_logger
from prefect.exceptions import MissingContextError

Log: TypeAlias = "logging.Logger | logging.LoggerAdapter[logging.Logger]"


def find_logger() -> Log:
    """Return the run's logger, or the module's where no run is on."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("flows")
