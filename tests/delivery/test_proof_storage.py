"""Storage of proofs of payment, separate per account."""

import re
import stat

import pytest

from webapp.delivery.proof_storage import ProofFolder
from webapp.domain.shared.errors import NotFound


@pytest.fixture
def folder(tmp_path):
    return ProofFolder(tmp_path / "proofs")


def test_a_stored_file_is_private_and_has_a_random_name(folder, tmp_path):
    names = {folder.keep(7, b"same") for _ in range(2)}

    assert len(names) == 2
    for name in names:
        path = tmp_path / "proofs" / "7" / name
        assert re.fullmatch(r"[0-9a-f]{32}", name)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert folder.read(7, name) == b"same"
    for made in (tmp_path / "proofs", tmp_path / "proofs" / "7"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_an_account_reads_only_its_own_files(folder):
    name = folder.keep(7, b"content")
    with pytest.raises(NotFound):
        folder.read(8, name)


@pytest.mark.parametrize("name", ["../7/x", "..", "/etc/passwd", "", "A" * 32, "0" * 31])
def test_a_name_is_never_a_path(folder, name):
    folder.keep(7, b"content")
    with pytest.raises(NotFound):
        folder.read(7, name)


def test_a_file_can_be_discarded_twice(folder):
    name = folder.keep(7, b"content")
    for _ in range(2):
        folder.discard(7, name)
    with pytest.raises(NotFound):
        folder.read(7, name)
