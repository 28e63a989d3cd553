"""The merging ablation: all six methods of the paper's Table 17, three seeds where something is drawn."""

from pathlib import Path
from typing import get_args

import merging_ablation
import yaml

from judgeforge.params import MergeParams
from judgeforge.params.sections import MergeMethod

BASE = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["merge"]


def test_every_method_is_there_with_values_that_it_has():
    merges = merging_ablation.list_merges()
    assert {values["method"] for values in merges.values()} == set(get_args(MergeMethod))
    drawn = [values for values in merges.values() if values["method"].startswith("dare")]
    assert len(drawn) == 6 and {values["seed"] for values in drawn} == {42, 43, 44} and len(merges) == 10
    for values in merges.values():
        MergeParams.model_validate(BASE | values)
