"""Where runs are recorded: MLflow at MLFLOW_TRACKING_URI, else SQLite in the working folder.

A tracking server that is away stops a stage at its start, in seconds; one that goes away later never costs a stage its
work: what could not be sent waits in memory and is sent again later and at the end.
"""

from judgeforge.tracking.machine import watch_machine
from judgeforge.tracking.runs import Run, name_user, stage_run
from judgeforge.tracking.store import (
    PARENT_VARIABLE,
    check_tracking_server,
    is_forbidden,
    open_client,
    set_value,
    store_exists,
    tenacious_store,
    tracking_address,
    using_store,
)

__all__ = [
    "PARENT_VARIABLE",
    "Run",
    "check_tracking_server",
    "is_forbidden",
    "name_user",
    "open_client",
    "set_value",
    "stage_run",
    "store_exists",
    "tenacious_store",
    "tracking_address",
    "using_store",
    "watch_machine",
]
