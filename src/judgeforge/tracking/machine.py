"""The machine's own figures beside a run, by MLflow's monitor: processor, memory, disk, network, and the GPU's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from judgeforge.tracking.runs import Run
from judgeforge.tracking.store import tracking_address

_INTERVAL_S = 10.0
_PATIENCE_S = 5.0


@contextmanager
def watch_machine(run: Run, interval_s: float = _INTERVAL_S) -> Iterator[None]:
    """Record what the machine does while the ``with`` statement lasts, as metrics ``system/...`` of the run.

    A GPU's figures need the package nvidia-ml-py (``judgeforge[gpu]``); without it MLflow leaves them out.

    Args:
        run: an open run.
        interval_s: between two looks.
    """
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor  # noqa: PLC0415

    monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run.run_id, sampling_interval=interval_s, tracking_uri=tracking_address()
    )
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        # It may be waiting for a server that is away: whoever has to end soon does not wait for it.
        ending = threading.Thread(target=monitor.finish, daemon=True)
        ending.start()
        ending.join(_PATIENCE_S)
