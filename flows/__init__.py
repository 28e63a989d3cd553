"""When and where the stages run. What depends on what is DVC's; a flow knows names of stages, no paths, no values."""

import os

# Read by Prefect and DVC when they are imported, so they stand before any import of theirs. A person's own value wins.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "150")
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")  # flows.remote.health; prefect.yaml says it to workers
