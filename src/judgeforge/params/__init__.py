"""Types of params.yaml. Values live there alone: nothing here has a default, so a missing key fails by its name.

A stage loads its own section only, exactly what ``dvc.yaml`` lists for it.
"""

from judgeforge.params.distribution import DistributionParams
from judgeforge.params.evaluation import AuditParams, EvaluateParams, VllmParams
from judgeforge.params.loading import Params, check_params, load_params, load_section
from judgeforge.params.preparation import RecoveryParams, TokenBudgetParams
from judgeforge.params.promotion import PromoteParams
from judgeforge.params.quality import QualityParams
from judgeforge.params.running import HEARTBEAT_S, MachineChoice, RunnerParams
from judgeforge.params.sections import (
    BaseParams,
    EmbeddedParams,
    Judge,
    MatrixParams,
    MergeParams,
    PrepareParams,
    Reference,
    SearchParams,
    TrainingFormat,
)
from judgeforge.params.training import LoraParams, TrainParams

__all__ = [
    "HEARTBEAT_S",
    "AuditParams",
    "BaseParams",
    "DistributionParams",
    "EmbeddedParams",
    "EvaluateParams",
    "Judge",
    "LoraParams",
    "MachineChoice",
    "MatrixParams",
    "MergeParams",
    "Params",
    "PrepareParams",
    "PromoteParams",
    "QualityParams",
    "RecoveryParams",
    "Reference",
    "RunnerParams",
    "SearchParams",
    "TokenBudgetParams",
    "TrainParams",
    "TrainingFormat",
    "VllmParams",
    "check_params",
    "load_params",
    "load_section",
]
