"""DeepSpeed's configuration files, split weights that were not gathered, and checkpoints of other processes."""

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from judgeforge.errors import InputError
from judgeforge.params import DistributionParams
from judgeforge.train import zero
from judgeforge.train.checkpoints import require_layout, write_layout
from judgeforge.train.trainer import build_arguments
from judgeforge.train.zero import load_engine, require_filled

ENGINES = [(engine, offload) for engine in ("zero2", "zero3") for offload in (False, True)]


def spread(**changes):
    values = {"processes": 1, "nodes": 1, "engine": "none", "offload": False, "port": 29500}
    return DistributionParams(**values | changes)


@pytest.mark.parametrize(("engine", "offload"), ENGINES)
def test_every_configuration_is_filled_in_and_understood(engine, offload, small_train_params, tmp_path):
    from deepspeed.runtime.config import DeepSpeedConfig

    params = small_train_params.model_copy(
        update={"distribution": spread(engine=engine, offload=offload), "gradient_accumulation": 3}
    )
    arguments = build_arguments(params, str(tmp_path), 10)
    model = type("Model", (), {"config": type("Config", (), {"hidden_size": 64})})
    arguments.hf_deepspeed_config.trainer_config_finalize(arguments, model, 10)
    filled = arguments.hf_deepspeed_config.config
    assert "auto" not in str(filled)
    understood = DeepSpeedConfig(filled)
    assert understood.zero_optimization_stage == int(engine[-1])
    assert (understood.train_micro_batch_size_per_gpu, understood.gradient_accumulation_steps) == (2, 3)
    assert understood.gradient_clipping == params.max_grad_norm
    assert (understood.zero_config.offload_optimizer is not None) == offload
    assert understood.zero_config.gather_16bit_weights_on_model_save == (engine == "zero3")


def test_there_is_no_file_that_no_value_names():
    names = {f"{engine}-offload" if offload else engine for engine, offload in ENGINES}
    assert {path.stem for path in zero._CONFIGURATIONS.iterdir()} == names


def test_an_engine_that_is_not_installed_is_an_error(monkeypatch):
    monkeypatch.setattr(zero.importlib.util, "find_spec", lambda name: None)
    assert load_engine(spread()) is None
    with pytest.raises(InputError, match=r"DeepSpeed is not installed.*judgeforge\[deepspeed\]"):
        load_engine(spread(engine="zero3"))


def test_offload_needs_an_engine():
    with pytest.raises(ValidationError, match="goes with engine zero2 or zero3"):
        spread(offload=True)


def test_a_judge_of_empty_tensors_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are none at all"):
        require_filled(tmp_path)
    save_file({"a.lora_A.weight": torch.ones(2, 3)}, tmp_path / "adapter_model.safetensors")
    require_filled(tmp_path)
    tensors = {"a.lora_A.weight": torch.ones(2, 3), "a.lora_B.weight": torch.empty(0)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(InputError, match=r"1 of 2 tensors of the judge are empty \(a.lora_B.weight\)"):
        require_filled(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"processes": 4}, "4 process"), ({"engine": "zero2"}, "engine zero2"), ({"offload": True}, "with offload")],
)
def test_a_checkpoint_of_another_distribution_is_refused(changes, named, tmp_path):
    then = {"processes": 2, "engine": "zero3"}
    write_layout(tmp_path, spread(**then))
    require_layout(tmp_path, spread(**then))
    with pytest.raises(InputError, match=rf"is of 2 process.*now says .*{named}.*delete"):
        require_layout(tmp_path, spread(**then | changes))


def test_two_machines_of_one_process_are_two_processes(tmp_path):
    write_layout(tmp_path, spread(processes=2))
    require_layout(tmp_path, spread(processes=1, nodes=2))
