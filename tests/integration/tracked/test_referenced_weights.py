"""Weights by reference: a version says where DVC keeps them, and loads where there is neither a repository nor DVC."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json, write_json
from judgeforge.promote.deleting import delete_weights
from judgeforge.promote.fetching import fetch_version
from judgeforge.promote.references import REFERENCE_FILE, Reference
from judgeforge.promote.registry import Registry
from tests.integration.tracked.weights_tools import (
    NAME,
    grade_folder,
    make_evidence,
    make_repository,
    predict,
    predict_or_fail,
    register,
    run_dvc,
)

BUCKET = "s3://weights/dvc"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start moto's S3 on loopback, with a bucket; the address of its folder for DVC."""
    pytest.importorskip("moto", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    import s3fs
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-a-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    s3fs.S3FileSystem(endpoint_url=address).mkdir("weights")
    yield address
    running.stop()


@pytest.fixture
def repository(store: Any, tmp_path: Path) -> Path:
    """Work in a DVC repository with a remote in a folder beside it."""
    remote = tmp_path / "remote"
    make_repository(str(remote))
    return remote


def locate(remote: Path, md5: str) -> Path:
    return remote / "files/md5" / md5[:2] / md5[2:]


def read_reference(store: Any, version: Any) -> Reference:
    place = Path(store.get_model_version_download_uri(NAME, version.number))
    return Reference.model_validate(load_json(place / "artifacts/judge" / REFERENCE_FILE))


def find_weights(reference: Reference) -> str:
    return next(file.digest for file in reference.files if file.name == "model.safetensors")


def count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_version_holds_no_weights_and_grades_as_the_folder_does(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    reference = read_reference(store, version)
    assert count_bytes(tmp_path / "mlartifacts/models") < 100_000 < reference.bytes
    assert reference.remote.model_dump() == {"name": "store", "url": str(repository), "options": {}}
    assert locate(repository, reference.md5).is_file(), "registering pushed it"
    verdicts = grade_folder(evidence.model, params)

    folder, _ = fetch_version(version)
    cached = tmp_path / ".dvc/cache/files/md5"
    weights = find_weights(reference)
    linked = (folder / "model.safetensors").stat()
    assert linked.st_ino == (cached / weights[:2] / weights[2:]).stat().st_ino, "no second copy beside DVC's cache"
    assert linked.st_mode & 0o222 == 0
    assert fetch_version(version)[0] == folder

    shutil.rmtree(tmp_path / ".dvc")
    shutil.rmtree(tmp_path / ".judgeforge")
    requirements = Path(store.get_model_version_download_uri(NAME, version.number)) / "requirements.txt"
    assert "fsspec==" in requirements.read_text()
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    assert predict(f"models:/{NAME}/{version.number}", elsewhere) == verdicts
    kept = elsewhere / "cache/judgeforge/judges" / f"md5-{reference.md5.removesuffix('.dir')}"
    assert count_bytes(kept) == reference.bytes

    fetched = fetch_version(version)[0] / "model.safetensors"
    assert fetched.read_bytes() == (evidence.model / "model.safetensors").read_bytes()
    fetched.chmod(0o644)
    fetched.write_bytes(b"damaged")
    assert fetch_version(version)[0] / "model.safetensors" == fetched
    assert fetched.read_bytes() == (evidence.model / "model.safetensors").read_bytes(), "it is only a copy: made anew"


def test_a_judge_of_a_stage_and_the_base_of_an_adapter_are_referred_to(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path, base=make_evidence(tmp_path, seed=2).model)
    stage = "stages:\n  made:\n    cmd: 'true'\n    outs: [models/1, models/2]\n"
    (tmp_path / "dvc.yaml").write_text(stage)
    run_dvc("commit", "--force", "--quiet")
    assert evidence.base is not None
    judge, base = fetch_version(register(evidence, params, weights="reference", remote="store"))
    assert base is not None
    for kept, own in ((judge, evidence.model), (base, evidence.base)):
        assert (kept / "model.safetensors").read_bytes() == (own / "model.safetensors").read_bytes()


def test_what_cannot_be_referred_to_is_refused_before_anything_is_registered(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path)
    with pytest.raises(InputError, match="is no output of DVC's") as refused:
        register(evidence, params, weights="reference")
    assert "dvc add models/1" in refused.value.remedy
    run_dvc("add", "--quiet", str(evidence.model))
    with pytest.raises(InputError, match="DVC has no remote 'other'"):
        register(evidence, params, weights="reference", remote="other")
    config = (evidence.model / "config.json").read_text()
    (evidence.model / "config.json").write_text(f"{config}\n")
    with pytest.raises(InputError, match="is not what DVC recorded of it"):
        register(evidence, params, weights="reference")
    (evidence.model / "config.json").write_text(config)
    shutil.rmtree(tmp_path / ".dvc/cache")
    with pytest.raises(InputError, match=r"lacks .*, and so does DVC's cache"):
        register(evidence, params, weights="reference")
    run_dvc("remote", "modify", "store", "url", "/dev/null/no-folder")
    run_dvc("commit", "--force", "--quiet")
    with pytest.raises(EnvironmentFault, match=r"could not push models/1 to the remote 'store'"):
        register(evidence, params, weights="reference")
    assert not store.search_model_versions(f"name = '{NAME}'")
    assert not list(tmp_path.rglob("MLmodel"))


def test_a_remote_that_lost_or_changed_a_file_is_said_to_have(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    stored = locate(repository, find_weights(read_reference(store, version)))
    shutil.rmtree(tmp_path / ".dvc")
    content = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    address, elsewhere = f"models:/{NAME}/{version.number}", tmp_path / "elsewhere"
    assert "in the remote 'store' is damaged" in predict_or_fail(address, elsewhere).stderr
    stored.unlink()
    refused = predict_or_fail(address, elsewhere)
    assert "nor the remote 'store' has model.safetensors of models/1" in refused.stderr
    assert "run 'dvc push' where it is" in refused.stderr
    assert not [path for path in elsewhere.rglob("*") if path.is_file()], "nothing half stays"
    stored.write_bytes(content)
    assert len(predict(address, elsewhere)) == 2


def test_a_damaged_cache_is_passed_over(repository: Path, store: Any, params: Any, tmp_path: Path) -> None:
    evidence = make_evidence(tmp_path)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    cached = locate(tmp_path / ".dvc/cache", find_weights(read_reference(store, version)))
    cached.chmod(0o644)
    cached.write_bytes(b"damaged")
    fetched = fetch_version(version)[0] / "model.safetensors"
    assert fetched.read_bytes() == (evidence.model / "model.safetensors").read_bytes()


def test_a_reference_that_leads_out_of_its_folder_is_refused(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    path = Path(store.get_model_version_download_uri(NAME, version.number)) / "artifacts/judge" / REFERENCE_FILE
    document = load_json(path)
    document["files"][0]["name"] = "../outside.json"
    write_json(path, document)
    with pytest.raises(InputError, match="is no path within a folder"):
        fetch_version(version)


def test_deleting_leaves_the_remote_alone_and_says_whose_it_is(
    repository: Path, store: Any, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(tmp_path)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    folder, _ = fetch_version(version)
    size = count_bytes(repository)
    deleted = delete_weights(Registry(NAME).client, version)
    assert (deleted.files, deleted.bytes) == (0, 0)
    assert "dvc gc --cloud" in deleted.note
    assert "'store'" in deleted.note
    assert not folder.exists()
    assert count_bytes(repository) == size
    assert fetch_version(version)[0] == folder, "the remote has it, so it loads again"


def test_a_password_is_not_written_down(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from judgeforge.promote.remotes import find_remote

    run_dvc("remote", "add", "other", "ssh://me:hidden@host:22/weights")
    run_dvc("remote", "modify", "other", "keyfile", "mine")
    assert find_remote("other").model_dump() == {"name": "other", "url": "ssh://me@host:22/weights", "options": {}}


def test_a_bucket_is_a_remote_and_a_server_the_store(
    bucket: str, server: Any, params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    make_repository(BUCKET)
    run_dvc("remote", "modify", "store", "endpointurl", bucket)
    evidence = make_evidence(work)
    run_dvc("add", "--quiet", str(evidence.model))
    version = register(evidence, params, weights="reference")
    (written,) = server.folder.rglob(REFERENCE_FILE)
    assert load_json(written)["remote"] == {"name": "store", "url": BUCKET, "options": {"endpointurl": bucket}}
    assert "for-a-test" not in written.read_text()
    (requirements,) = server.folder.rglob("requirements.txt")
    assert "s3fs==" in requirements.read_text()
    address, elsewhere = f"models:/{NAME}/{version.number}", tmp_path / "elsewhere"
    assert predict(address, elsewhere) == grade_folder(evidence.model, params)
    shutil.rmtree(elsewhere)
    refused = predict_or_fail(address, elsewhere, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_PROFILE="none")
    assert "The DVC remote 'store' at s3://weights/dvc cannot be read" in refused.stderr
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in refused.stderr
