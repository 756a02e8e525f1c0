"""The backup archive: changed or missing bytes are detected."""

import gzip

import pytest

from webapp.backup.archive import DATABASE, Manifest, packing, unpack
from webapp.domain.shared.errors import Refusal


@pytest.fixture
def archive(tmp_path):
    with packing(tmp_path / "archive", 0) as packer:
        packer.add_bytes(DATABASE, bytes(range(256)) * 20)
        packer.close(Manifest("2026-11-22T10:00:00+00:00", {}, packer.files))
    return tmp_path / "archive"


def test_a_changed_byte_is_detected(archive, tmp_path):
    """Some bytes of gzip's header, such as the time, do not affect the content."""
    intact, damaged = archive.read_bytes(), tmp_path / "damaged"
    detected = 0
    for offset in range(0, len(intact), 3):
        damaged.write_bytes(intact[:offset] + bytes([intact[offset] ^ 1]) + intact[offset + 1 :])
        try:
            unpack(damaged, tmp_path / str(offset))
        except Refusal:
            detected += 1
        else:
            assert gzip.decompress(damaged.read_bytes()) == gzip.decompress(intact)
    assert detected > len(intact) / 6


def test_a_truncated_archive_is_detected(archive, tmp_path):
    intact, short = archive.read_bytes(), tmp_path / "short"
    for length in range(0, len(intact), 3):
        short.write_bytes(intact[:length])
        with pytest.raises(Refusal, match="short is"):
            unpack(short, tmp_path / str(length))


def test_an_unpacked_archive_has_the_original_content(archive, tmp_path):
    manifest = unpack(archive, tmp_path / "out")
    assert manifest.made_at == "2026-11-22T10:00:00+00:00"
    assert (tmp_path / "out" / DATABASE).read_bytes() == bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({DATABASE: "0" * 64}, "ballast.db does not match its checksum"),
        ({}, "ballast.db does not match its checksum"),
        ({"secret_key": "0" * 64}, "secret_key is missing"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(tmp_path, files, message):
    with packing(tmp_path / "repacked", 0) as packer:
        packer.add_bytes(DATABASE, b"other rows")
        sums = {**packer.files, **files} if files else {}
        packer.close(Manifest("2026-11-22T10:00:00+00:00", {}, sums))
    with pytest.raises(Refusal, match=f"repacked is damaged: {message}"):
        unpack(tmp_path / "repacked", tmp_path / "out")


def test_an_archive_without_a_manifest_is_refused(tmp_path):
    with packing(tmp_path / "unfinished", 0) as packer:
        packer.add_bytes(DATABASE, b"rows")
    with pytest.raises(Refusal, match=r"manifest\.json is missing"):
        unpack(tmp_path / "unfinished", tmp_path / "out")
