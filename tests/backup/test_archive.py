"""The file of a backup: no byte of it can change unseen."""

import gzip

import pytest

from webapp.backup.archive import DATABASE, Manifest, packing, unpack
from webapp.domain.shared.errors import Refusal


@pytest.fixture
def packed(tmp_path):
    with packing(tmp_path / "packed", 0) as packer:
        packer.add_bytes(DATABASE, bytes(range(256)) * 20)
        packer.close(Manifest("2026-11-22T10:00:00+00:00", {}, packer.files))
    return tmp_path / "packed"


def test_each_byte_counts(packed, tmp_path):
    """Some of gzip's own change nothing that is in it, such as the time of packing."""
    sound, rotten = packed.read_bytes(), tmp_path / "rotten"
    seen = 0
    for at in range(0, len(sound), 3):
        rotten.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        try:
            unpack(rotten, tmp_path / str(at))
        except Refusal:
            seen += 1
        else:
            assert gzip.decompress(rotten.read_bytes()) == gzip.decompress(sound)
    assert seen > len(sound) / 6


def test_each_end_that_comes_too_soon_is_seen(packed, tmp_path):
    sound, short = packed.read_bytes(), tmp_path / "short"
    for at in range(0, len(sound), 3):
        short.write_bytes(sound[:at])
        with pytest.raises(Refusal, match="short is"):
            unpack(short, tmp_path / str(at))


def test_the_same_comes_out(packed, tmp_path):
    manifest = unpack(packed, tmp_path / "out")
    assert manifest.made_at == "2026-11-22T10:00:00+00:00"
    assert (tmp_path / "out" / DATABASE).read_bytes() == bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({DATABASE: "0" * 64}, "ballast.db does not match its checksum"),
        ({}, "ballast.db does not match its checksum"),
        ({"secret_key": "0" * 64}, "secret_key is missing"),
    ],
)
def test_what_is_in_it_is_what_its_manifest_says(tmp_path, files, told):
    with packing(tmp_path / "repacked", 0) as packer:
        packer.add_bytes(DATABASE, b"other rows")
        sums = {**packer.files, **files} if files else {}
        packer.close(Manifest("2026-11-22T10:00:00+00:00", {}, sums))
    with pytest.raises(Refusal, match=f"repacked is damaged: {told}"):
        unpack(tmp_path / "repacked", tmp_path / "out")


def test_without_a_manifest_it_was_never_finished(tmp_path):
    with packing(tmp_path / "unfinished", 0) as packer:
        packer.add_bytes(DATABASE, b"rows")
    with pytest.raises(Refusal, match=r"manifest\.json is missing"):
        unpack(tmp_path / "unfinished", tmp_path / "out")
