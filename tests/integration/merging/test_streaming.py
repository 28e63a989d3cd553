"""What the streaming engine reads and writes: shards, dtypes, threads, adapters, kills, a full disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from judgeforge.base.miniature import build_miniature
from judgeforge.engines.transformers import load_weights
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import write_template
from judgeforge.merge import run
from judgeforge.merge.run import merge_judges
from judgeforge.weights import stream, writer
from judgeforge.weights.headers import read_header
from judgeforge.weights.mapped import MappedFolder
from judgeforge.weights.methods import Block, build_rule
from judgeforge.weights.stream import Sources, stream_merge
from judgeforge.weights.writer import open_files

ROOT = Path(__file__).parents[3]


@pytest.fixture
def values(params):
    return params.merge.model_copy(update={"dtype": "float32", "canary": False})


@pytest.fixture
def judges(tmp_path, template):
    folders = []
    for seed, name in ((1, "direct"), (2, "pairwise")):
        folder = tmp_path / name
        folder.mkdir()
        build_miniature(folder, "float32", seed)
        write_template(template, folder)
        folders.append(folder)
    return folders


def split(folder: Path, order: int) -> None:
    """Put each tensor into a file of its own, in one order or the other."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    found = {}
    for number, name in enumerate(sorted(weights)[::order]):
        found[name] = f"model-{number}.safetensors"
        save_file({name: weights[name]}, folder / found[name])
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": found})


def merge_with(values, judges, base, out, workers):
    out.mkdir()
    sources = Sources(*(MappedFolder(each) for each in (*judges, base)))
    stream_merge(values, sources, sorted(sources.direct.header), out, lambda _: None, workers)
    return (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["linear", "slerp", "ties", "dare_linear", "dare_ties"])
def test_threads_and_shards_change_no_byte(method, values, judges, miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK_NUMBERS", 512)  # many blocks a tensor
    density = 0.5 if method in ("ties", "dare_linear", "dare_ties") else 1.0
    chosen = values.model_copy(update={"method": method, "alpha": 0.3, "density": density})
    alone = merge_with(chosen, judges, miniature, tmp_path / "one", 1)
    assert merge_with(chosen, judges, miniature, tmp_path / "two", 2) == alone
    merge_judges(chosen, miniature, *judges, tmp_path / "whole")
    split(judges[0], 1)
    split(judges[1], -1)
    assert merge_with(chosen, judges, miniature, tmp_path / "split", 2) == alone
    merge_judges(chosen, miniature, *judges, tmp_path / "published")
    assert {(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "published")} == {alone}


@pytest.mark.parametrize("method", ["linear", "slerp", "ties", "dare_ties"])
def test_tensors_of_any_shape_are_merged(method, values, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK_NUMBERS", 8)
    shapes = {"experts": (3, 4, 5), "scale": (), "none": (0, 7), "vector": (11,), "one": (1, 1, 1)}
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for name in ("direct", "pairwise", "base"):
        (tmp_path / name).mkdir()
        tensors[name] = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
        save_file(tensors[name], tmp_path / name / "model.safetensors")
    chosen = values.model_copy(update={"method": method, "alpha": 0.3, "normalize": True})
    folders = tmp_path / "direct", tmp_path / "pairwise"
    merge_with(chosen, folders, tmp_path / "base", tmp_path / "merged", 2)
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    rule = build_rule(chosen)
    for name, shape in shapes.items():
        assert merged[name].shape == shape
        block = Block(*(tensors[each][name].numpy().reshape(-1, 1) for each in ("direct", "pairwise", "base")), name)
        if block.direct.size:
            expected = rule.combine(block, rule.study(lambda block=block: [block]) if rule.study else None)
            torch.testing.assert_close(merged[name].flatten(), torch.tensor(expected).flatten(), rtol=1e-5, atol=1e-6)


def test_infinity_in_one_tensor_stops_the_others(values, judges, miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK_NUMBERS", 64)
    weights = load_file(judges[1] / "model.safetensors")
    largest = max(weights, key=lambda name: weights[name].numel())
    weights[largest].flatten()[0] = float("inf")
    save_file(weights, judges[1] / "model.safetensors")
    sources = Sources(*(MappedFolder(each) for each in (*judges, miniature)))
    (tmp_path / "out").mkdir()
    done = []
    with pytest.raises(InputError, match=f"{largest} of the pairwise judge holds NaN or infinity"):
        stream_merge(values, sources, sorted(sources.direct.header), tmp_path / "out", done.append, 1)
    assert sum(done) < 1000, "the largest comes first, and nothing is computed after it"


def test_blocks_change_nothing_but_draws(values, judges, miniature, tmp_path, monkeypatch):
    chosen = values.model_copy(update={"method": "ties", "density": 0.3, "normalize": True})
    whole = merge_with(chosen, judges, miniature, tmp_path / "whole", 2)
    monkeypatch.setattr(stream, "_BLOCK_NUMBERS", 100)
    assert merge_with(chosen, judges, miniature, tmp_path / "blocks", 2) == whole


def test_mixed_dtypes_are_read_and_one_is_written(values, judges, miniature, tmp_path):
    for folder in judges:
        weights = load_file(folder / "model.safetensors")
        mixed = {name: each if "norm" in name else each.bfloat16() for name, each in weights.items()}
        save_file(mixed, folder / "model.safetensors")
    out = tmp_path / "merged"
    merge_judges(values.model_copy(update={"dtype": "float16"}), miniature, *judges, out)
    first, second = (load_file(folder / "model.safetensors") for folder in judges)
    for name, merged in load_file(out / "model.safetensors").items():
        assert merged.dtype == torch.float16
        assert torch.equal(merged, ((first[name].float() + second[name].float()) / 2).half())
    assert load_json(out / "config.json")["dtype"] == "float16"


def test_large_outputs_are_sharded_and_load(values, judges, miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "open_files", partial(open_files, shard_bytes=20_000))
    out = tmp_path / "merged"
    merge_judges(values, miniature, *judges, out)
    index = load_json(out / "model.safetensors.index.json")
    files = sorted(path.name for path in out.glob("*.safetensors"))
    assert len(files) > 2 and sorted(set(index["weight_map"].values())) == files
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    with safe_open(out / files[0], framework="pt") as handle:
        assert handle.metadata() == {"format": "pt"}
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    found = model.state_dict()["model.norm.weight"]
    first, second = (load_file(folder / "model.safetensors")["model.norm.weight"] for folder in judges)
    assert torch.equal(found, (first + second) / 2)
    assert index["metadata"]["total_size"] == 4 * sum(place.numbers for place in read_header(out).values())


def test_adapters_are_folded_on_the_way(train, values, miniature, tmp_path):
    direct = train(tmp_path / "direct", learning_rate=0.05)
    pairwise = train(tmp_path / "pairwise", format="pairwise", learning_rate=0.05)
    folded = [load_weights(each, miniature, "float32").state_dict() for each in (direct, pairwise)]
    base = load_file(miniature / "model.safetensors")
    chosen = values.model_copy(update={"method": "task_arithmetic", "alpha": 0.3, "scaling": 1.4})
    merge_judges(chosen, miniature, direct, pairwise, tmp_path / "merged")
    for name, merged in load_file(tmp_path / "merged" / "model.safetensors").items():
        expected = base[name] + 1.4 * (0.3 * (folded[0][name] - base[name]) + 0.7 * (folded[1][name] - base[name]))
        torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-6)
    assert any(not torch.equal(folded[0][name], base[name]) for name in base)


def test_an_adapter_that_is_more_than_products_is_folded_by_peft(train, values, miniature, tmp_path):
    direct, pairwise = train(tmp_path / "direct"), train(tmp_path / "pairwise", format="pairwise")
    write_json(direct / "adapter_config.json", load_json(direct / "adapter_config.json") | {"use_rslora": True})
    expected = load_weights(direct, miniature, "float32").state_dict()
    merge_judges(values.model_copy(update={"alpha": 1.0}), miniature, direct, pairwise, tmp_path / "merged")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert all(torch.allclose(each, expected[name], atol=1e-6) for name, each in merged.items())


def test_a_missing_shard_is_named(values, judges, miniature, tmp_path):
    split(judges[0], 1)
    (judges[0] / "model-3.safetensors").unlink()
    with pytest.raises(InputError, match=r"direct/model-3.safetensors is missing, which model.safetensors.index.json"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")


def test_a_tensor_in_two_files_is_refused(values, judges, miniature, tmp_path):
    weights = load_file(judges[0] / "model.safetensors")
    save_file({"model.norm.weight": weights["model.norm.weight"]}, judges[0] / "old.safetensors")
    with pytest.raises(InputError, match=r"model.norm.weight is in both"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")


def write_large(folder: Path, seed: int, template) -> None:
    """Write a judge of 50 MB, so that a merge takes long enough to be killed."""
    folder.mkdir()
    build_miniature(folder, "float32", seed, vocabulary_extra=400_000)
    write_template(template, folder)


def start_merge(folder: Path, values) -> subprocess.Popen:
    document = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"merge": values.model_dump(mode="json")}
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "judgeforge.merge", "--base", "base", "--direct", "direct"]
    command += ["--pairwise", "pairwise", "--out", "merged"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=os.environ)


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_kill_leaves_nothing_that_looks_finished_and_the_next_run_succeeds(way, values, template, tmp_path):
    for seed, name in enumerate(("base", "direct", "pairwise")):
        write_large(tmp_path / name, seed, template)
    slow = values.model_copy(update={"method": "ties", "density": 0.5})
    running = start_merge(tmp_path, slow)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".merged.*/model.safetensors")):
        assert running.poll() is None and time.monotonic() < deadline, running.stderr.read()
        time.sleep(0.01)
    running.send_signal(way)
    assert running.wait() == (-way if way == signal.SIGKILL else 128 + way)
    assert not (tmp_path / "merged").exists()
    assert bool(list(tmp_path.glob(".merged*"))) == (way == signal.SIGKILL)
    again = start_merge(tmp_path, slow)
    assert again.wait() == 0, again.stderr.read()
    assert json.loads((tmp_path / "merged" / "merge.json").read_text())["parameters"] > 10_000_000
    assert not list(tmp_path.glob(".merged*")), "what the killed run left is gone"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Mount a file system of 600 KiB: the real ENOSPC, where the machine lets us mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_fault_of_the_disk_in_the_background_is_not_lost(values, judges, miniature, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    monkeypatch.setattr(writer, "_PAUSE", 0)
    with pytest.raises(OSError, match=r"Input/output error"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")
    assert not list(tmp_path.glob("*merged*"))


def test_a_signal_at_any_line_leaves_no_thread_to_wait_for(tmp_path, monkeypatch):
    """Here: before the files are handed over, where a test with real signals hung once in many runs."""
    started = threading.Thread.start

    def interrupt(self):
        started(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupt)
    with pytest.raises(KeyboardInterrupt), open_files(tmp_path, {"x": (3,)}, "float32"):
        pytest.fail("the files were handed over")
    assert [each.name for each in threading.enumerate() if "sync_until" in each.name] == []


def test_a_disk_that_fills_up_on_the_way_is_said_and_nothing_is_left(values, judges, miniature, tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fill)
    with pytest.raises(EnvironmentFault, match="No room left on the disk"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")
    assert not list(tmp_path.glob("*merged*"))


@pytest.mark.parametrize("noticed", ["beforehand", "on the way"])
def test_a_full_disk_is_said_and_nothing_is_left(noticed, small_disk, values, judges, miniature, monkeypatch):
    size = (judges[0] / "model.safetensors").stat().st_size
    room = os.statvfs(small_disk)
    (small_disk / "filling").write_bytes(b"x" * (room.f_bavail * room.f_bsize - size // 2))
    if noticed == "on the way":
        monkeypatch.setattr(run, "check_room", lambda *_: None)
    complaint = "the disk has 0.0 GB free" if noticed == "beforehand" else "No room left on the disk"
    with pytest.raises(EnvironmentFault, match=complaint):
        merge_judges(values, miniature, *judges, small_disk / "merged")
    assert [path.name for path in small_disk.iterdir()] == ["filling"]
