from pathlib import Path

import pytest
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.promote.listing import LISTING_FILE, Listing, StoredFile, check_files, list_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "judge"
    (place / "deep").mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "deep/weights.safetensors").write_bytes(b"abc")
    return place


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("blake3", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ],
)
def test_files_are_listed_by_size_and_published_digest_of_abc(folder: Path, algorithm: str, digest: str) -> None:
    listing = list_files(folder, algorithm)  # type: ignore[arg-type]
    assert [file.name for file in listing.files] == ["config.json", "deep/weights.safetensors"]
    assert listing.files[1] == StoredFile(name="deep/weights.safetensors", bytes=3, digest=digest)
    assert listing.bytes == 5
    (folder / LISTING_FILE).write_text(listing.model_dump_json())
    check_files(folder, Listing.model_validate_json((folder / LISTING_FILE).read_text()))


def test_a_file_that_is_other_missing_or_one_too_many_is_named(folder: Path) -> None:
    listing = list_files(folder, "blake3")
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config\.json is not what was registered: it has other content"):
        check_files(folder, listing)
    (folder / "config.json").write_text("[0]")
    with pytest.raises(InputError, match="it has 3 bytes instead of 2"):
        check_files(folder, listing)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"lacks config\.json: "):
        check_files(folder, listing)
    (folder / "deep/weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks config\.json and 1 more"):
        check_files(folder, listing)
    (folder / "config.json").write_text("{}")
    (folder / "deep/weights.safetensors").write_bytes(b"abc")
    (folder / "other.py").write_text("")
    with pytest.raises(InputError, match=r"holds other\.py, which was not registered"):
        check_files(folder, listing)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ""])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        StoredFile(name=name, bytes=0, digest="")
