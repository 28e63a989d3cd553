"""How vLLM is imported, and where on the machine it runs a judge."""

import os
from typing import Any

import torch

from judgeforge.errors import EnvironmentFault
from judgeforge.params import VllmParams

_CPU_SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
_SETTINGS = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}


def place_judge(machine: VllmParams) -> dict[str, Any]:
    """Say where the judge runs: on GPUs, or in this process on the CPU."""
    if not torch.cuda.is_available():
        return {"distributed_executor_backend": "uni"}
    return machine.model_dump(include={"tensor_parallel_size", "gpu_memory_utilization"})


def import_vllm(cpu_threads: int | None, cpu_cache_gib: int) -> Any:
    """Import vLLM with the environment variables that it reads while it is imported."""
    settings = dict(_SETTINGS)
    if not torch.cuda.is_available():
        # Without a limit of the cache, start-up takes what is free, and may die of it.
        settings |= _CPU_SETTINGS | {"VLLM_CPU_KVCACHE_SPACE": str(cpu_cache_gib)}
        if cpu_threads is not None:
            settings["OMP_NUM_THREADS"] = str(cpu_threads)
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # noqa: PLC0415 - it reads the environment
        import vllm.lora.request  # noqa: PLC0415
    except ImportError as error:
        raise EnvironmentFault("vLLM is not installed.", "install it with 'make setup-vllm'.") from error
    if not torch.cuda.is_available() and cpu_threads is not None:
        torch.set_num_threads(cpu_threads)
    return vllm
