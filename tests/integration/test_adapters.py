"""Adapters on every family of base models: where they sit, what stays frozen, and that what is saved comes back."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from judgeforge.engines.folders import find_rank
from judgeforge.engines.transformers import load_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.merge.run import merge_judges
from judgeforge.train.adapters import add_adapters, find_targets
from judgeforge.train.model import build_model
from tests.integration.families import FAMILIES, build_family

LINEAR = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
ATTENTION = ["k_proj", "o_proj", "q_proj", "v_proj"]
MIXTURES = {"mixtral": ATTENTION, "qwen2_moe": LINEAR}


@pytest.fixture(scope="module")
def base(tmp_path_factory, request):
    """Build a family once for the module."""
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            built[name] = build_family(name, tmp_path_factory.mktemp(name))
        return built[name]

    return build


def list_adapted(model) -> set[str]:
    trained = [name for name, each in model.named_parameters() if each.requires_grad]
    assert all(".lora_" in name for name in trained)
    return {name.removeprefix("base_model.model.").split(".lora_")[0].removesuffix(".base_layer") for name in trained}


@pytest.mark.parametrize("name", FAMILIES)
def test_all_linear_layers_and_experts_are_adapted_and_neither_head_nor_router(name, base, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    model = AutoModelForCausalLM.from_pretrained(base(name))
    targets = find_targets(model, lora)
    assert list(targets.modules) == MIXTURES.get(name, LINEAR)
    adapted = list_adapted(add_adapters(model, lora))
    assert not any(re.search(r"head|embed|norm|\bgate\b|shared_expert_gate|router", each) for each in adapted)
    assert {int(re.search(r"layers\.(\d)", each)[1]) for each in adapted} == {0, 1}
    if name in MIXTURES:
        parameters = {
            f"model.layers.{layer}.mlp.experts.{each}" for layer in (0, 1) for each in ("gate_up_proj", "down_proj")
        }
        assert set(targets.experts) == parameters
        assert {"model.layers.0.mlp.gate", "model.layers.1.mlp.gate"} <= set(targets.routers)
        assert {f"model.layers.{layer}.mlp.experts" for layer in (0, 1)} <= adapted
    else:
        assert not targets.experts and not targets.routers and len(adapted) == 14


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layers_alone_are_adapted(name, base, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": 1})
    adapted = list_adapted(add_adapters(AutoModelForCausalLM.from_pretrained(base(name)), lora))
    assert adapted and all(".layers.1." in each for each in adapted)
    assert ("model.layers.1.mlp.experts" in adapted) == (name in MIXTURES)


@pytest.mark.parametrize("name", MIXTURES)
def test_experts_can_be_left_out(name, base, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "experts": False})
    adapted = list_adapted(add_adapters(AutoModelForCausalLM.from_pretrained(base(name)), lora))
    assert adapted and not any(".experts" in each for each in adapted)


class SingleExperts(torch.nn.Module):
    """A mixture as some models hold it: each expert a linear layer, and the router one, too."""

    def __init__(self, config) -> None:
        super().__init__()
        self.config = config
        experts = torch.nn.ModuleList([torch.nn.ModuleDict({"w": torch.nn.Linear(4, 4)}) for _ in range(2)])
        self.block = torch.nn.ModuleDict(
            {"experts": experts, "gate": torch.nn.Linear(4, 2), "w": torch.nn.Linear(4, 4)}
        )

    def get_output_embeddings(self):
        return None


def test_experts_that_are_linear_layers_are_taken_or_left_as_such(base, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    model = SingleExperts(AutoModelForCausalLM.from_pretrained(base("llama")).config)
    targets = find_targets(model, lora)
    assert (targets.modules, targets.experts, targets.routers) == (("w",), (), ("block.gate",))
    assert targets.excluded is None
    without = find_targets(model, lora.model_copy(update={"experts": False}))
    assert without.modules == ("w",) and re.fullmatch(str(without.excluded), "block.experts.0.w")


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_mixture_learns_in_its_experts_and_its_router_stays(
    checkpointing, base, train, small_train_params, tmp_path, capsys
):
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "dropout": 0.1})
    judge = train(
        tmp_path / "judge",
        base=base("mixtral"),
        lora=lora,
        learning_rate=0.01,
        epochs=1,
        gradient_checkpointing=checkpointing,
    )
    before = AutoModelForCausalLM.from_pretrained(base("mixtral")).state_dict()
    after = load_weights(judge, None, "float32").state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    experts = {name for name in after if ".experts." in name}
    attention = {name for name in after if re.search(r"[qkvo]_proj", name)}
    assert len(experts) == 4 and changed == experts | attention, "routers, norms, head and embeddings are as before"
    notes = load_json(judge / "training.json")["notes"]
    assert len(notes) == 1 and "experts' adapters have no dropout, those of linear layers 0.1" in notes[0]
    assert "experts' adapters have no dropout" in " ".join(capsys.readouterr().err.split())
    config = load_json(judge / "adapter_config.json")
    assert config["target_parameters"] == sorted(config["target_parameters"]) and len(config["target_parameters"]) == 4


def test_linear_layers_keep_the_dropout_that_experts_cannot_have(base, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "dropout": 0.25})
    model = add_adapters(AutoModelForCausalLM.from_pretrained(base("mixtral")), lora)
    layer = model.base_model.model.model.layers[0]
    assert layer.self_attn.q_proj.lora_dropout["default"].p == 0.25
    assert isinstance(layer.mlp.experts.lora_dropout["default"], torch.nn.Identity)


def test_an_adapted_mixture_judges_as_it_was_trained(base, small_train_params, tmp_path):
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    params = small_train_params.model_copy(update={"lora": lora})
    model = build_model(base("mixtral"), params)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.normal_(std=0.1)
    ids = torch.arange(30).reshape(1, 30)
    model.eval()
    with torch.no_grad():
        trained = model(input_ids=ids).logits
        model.save_pretrained(tmp_path)
        judging = load_weights(tmp_path, base("mixtral"), "float32").eval()(input_ids=ids).logits
        plain = AutoModelForCausalLM.from_pretrained(base("mixtral"))(input_ids=ids).logits
    assert torch.allclose(trained, judging, atol=1e-5)
    assert not torch.allclose(trained, plain, atol=1e-2)


def test_adapted_mixtures_are_merged(base, train, params, small_train_params, tmp_path):
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    changes = {"base": base("mixtral"), "lora": lora, "learning_rate": 0.05, "epochs": 1}
    direct, pairwise = (train(tmp_path / each, format=each, **changes) for each in ("direct", "pairwise"))
    merging = params.merge.model_copy(update={"dtype": "float32"})
    merge_judges(merging, base("mixtral"), direct, pairwise, tmp_path / "merged")
    folded = [load_weights(each, None, "float32").state_dict() for each in (direct, pairwise)]
    merged = load_weights(tmp_path / "merged", None, "float32").state_dict()
    for name, tensor in merged.items():
        assert torch.allclose(tensor, 0.5 * folded[0][name] + 0.5 * folded[1][name], atol=1e-6), name
    with pytest.raises(InputError, match="which the base model lacks"):
        merge_judges(merging, base("llama"), direct, pairwise, tmp_path / "other")


def test_vllm_is_not_given_adapters_of_fused_experts(tmp_path):
    config = {"r": 4, "target_parameters": None}
    write_json(tmp_path / "adapter_config.json", config)
    assert find_rank(tmp_path) == 8
    write_json(tmp_path / "adapter_config.json", config | {"target_parameters": ["mlp.experts.down_proj"]})
    with pytest.raises(InputError, match=r"adapts the experts of a mixture.*merge it into its base"):
        find_rank(tmp_path)


class Killed(Exception):
    """The run's process goes away."""


class KillingRun:
    def set_tags(self, tags):
        pass

    def log_metrics(self, values, step=None):
        if step == 3:
            raise Killed


@pytest.mark.parametrize(("name", "method"), [("mixtral", "lora"), ("llama", "qlora")])
def test_a_killed_run_resumes_and_ends_where_an_uninterrupted_one_does(
    name, method, base, train, small_train_params, tmp_path
):
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "dropout": 0.1})
    changes = {"base": base(name), "method": method, "lora": lora, "epochs": 1, "learning_rate": 0.01}
    whole = load_file(train(tmp_path / "whole", **changes) / "adapter_model.safetensors")
    with pytest.raises(Killed):
        train(tmp_path / "killed", run=KillingRun(), **changes)
    assert list((tmp_path / "checkpoints" / "killed").rglob("COMPLETE"))
    resumed = load_file(train(tmp_path / "killed", **changes) / "adapter_model.safetensors")
    assert whole.keys() == resumed.keys() and all(torch.equal(each, resumed[key]) for key, each in whole.items())
