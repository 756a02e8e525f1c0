"""Which passwords may be chosen, and which hashes they fit (F7)."""

import unicodedata

import pytest
from argon2 import PasswordHasher

from webapp.domain.users import passwords
from webapp.domain.users.passwords import COMMON, OWN, TOO_SHORT, fault, hash_password, is_right

ANA = ("ana.ruiz@example.com", "Ana Ruiz", "Harbour Voice Ltd")


def common():
    return passwords._common_ones().split()


def test_the_ten_thousand_most_common_are_known_f7():
    """F7"""
    assert len(set(common())) == 10_000
    assert min(map(len, common())) == passwords.PASSWORD_LENGTH
    assert all(fault(one, ()) == COMMON for one in common()[::97])


@pytest.mark.parametrize(
    "password",
    ["aaaaaaaaaa", "1234567890", "password12", "PASSWORD12", "１２３４５６７８９０", "qwertyuiop"],
)
def test_common_passwords_are_refused_f7(password):
    """F7: in whatever case or width of letters."""
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
def test_the_persons_own_words_are_refused_f7(password):
    """F7: also backwards, with digits around them, and in other letters."""
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
def test_other_passwords_are_taken_f7(password):
    """F7: own words within a longer one are no harm."""
    assert fault(password, ANA) == ""


def test_ten_characters_are_counted_as_a_person_sees_them_f7():
    """F7: an accent that is typed apart is no character of its own."""
    apart = unicodedata.normalize("NFD", "éàüôñçåø")
    assert len(apart) >= 10
    assert fault(apart, ()) == TOO_SHORT


def test_a_person_without_words_is_no_obstacle_f7():
    """F7: digits and punctuation alone are nobody's name."""
    assert fault("8273-4412-9917", ("", "123", "--")) == ""


def test_one_password_typed_in_two_ways_is_one_f7():
    """F7: composed on one keyboard, decomposed on another."""
    composed, apart = "pässwörd-fürs-büro", unicodedata.normalize("NFD", "pässwörd-fürs-büro")
    assert composed != apart
    for chosen in (composed, apart):
        for typed in (composed, apart):
            assert is_right(typed, hash_password(chosen))
    assert not is_right("passwort-furs-buro", hash_password(composed))


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_hash_from_before_is_still_fitted_f7(form):
    """F7: it was made of what was typed; whoever types that again comes in."""
    old = unicodedata.normalize(form, "ﬁne-pässwörd-½")
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(old)
    assert is_right(old, hashed)
    assert not is_right(f"{old}x", hashed)


def test_nobodys_password_is_never_right_f7():
    for password in ("nobody's password", "ﬁne-pässwörd"):
        assert not is_right(password, None)
