"""Password rules and hashes."""

import unicodedata

import pytest
from argon2 import PasswordHasher

from webapp.domain.users import passwords
from webapp.domain.users.passwords import COMMON, OWN, TOO_SHORT, fault, hash_password, is_right

ANA = ("ana.ruiz@example.com", "Ana Ruiz", "Harbour Voice Ltd")


def common():
    return passwords._common_ones().split()


def test_ten_thousand_common_passwords_are_listed():
    assert len(set(common())) == 10_000
    assert min(map(len, common())) == passwords.PASSWORD_LENGTH
    assert all(fault(password, ()) == COMMON for password in common()[::97])


@pytest.mark.parametrize(
    "password",
    ["aaaaaaaaaa", "1234567890", "password12", "PASSWORD12", "１２３４５６７８９０", "qwertyuiop"],
)
def test_common_passwords_are_refused(password):
    """In any case or width of letters."""
    assert fault(password, ANA) == COMMON


@pytest.mark.parametrize(
    "password",
    [
        "ana.ruiz@example.com", "ANA.RUIZ@EXAMPLE.COM", "AnaRuiz2026", "2026 ana ruiz",
        "ziur.ana99", "ziurana1234", "ruizana1234", "ana1234567", "harbourvoice",
        "Harbour-Voice-Ltd", "1ecioVruobraH", "dtlecioVruobraH", "Harbour12345",
        "Ａｎａ Ｒｕｉｚ １２",
    ],
)  # fmt: skip
def test_passwords_made_of_own_names_are_refused(password):
    """Also reversed, with digits around them, or in other letters."""
    assert fault(password, ANA) == OWN


@pytest.mark.parametrize(
    "password",
    [
        "keep-it-afloat",
        "correct-horse-battery",
        "a harbour in the sun",
        "ana likes boats",
        "ça va bien, merci",
        "a sentence of more than sixty-four characters, which no rule of ours cuts off",
    ],
)
def test_other_passwords_are_accepted(password):
    """Own names within a longer password are allowed."""
    assert fault(password, ANA) == ""


def test_the_length_counts_characters_as_a_person_sees_them():
    """A combining accent is not a separate character."""
    decomposed = unicodedata.normalize("NFD", "éàüôñçåø")
    assert len(decomposed) >= 10
    assert fault(decomposed, ()) == TOO_SHORT


def test_names_without_letters_are_ignored():
    """Digits and punctuation alone are no name."""
    assert fault("8273-4412-9917", ("", "123", "--")) == ""


def test_composed_and_decomposed_passwords_are_equal():
    """Keyboards differ in how they compose characters."""
    composed, decomposed = "pässwörd-fürs-büro", unicodedata.normalize("NFD", "pässwörd-fürs-büro")
    assert composed != decomposed
    for chosen in (composed, decomposed):
        for typed in (composed, decomposed):
            assert is_right(typed, hash_password(chosen))
    assert not is_right("passwort-furs-buro", hash_password(composed))


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_an_existing_unnormalized_hash_still_matches(form):
    """It was made of the unnormalized password."""
    old = unicodedata.normalize(form, "ﬁne-pässwörd-½")
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(old)
    assert is_right(old, hashed)
    assert not is_right(f"{old}x", hashed)


def test_a_user_without_a_password_cannot_sign_in():
    for password in ("nobody's password", "ﬁne-pässwörd"):
        assert not is_right(password, None)
