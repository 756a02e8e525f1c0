"""The preview of settings before they are applied (T13)."""

import re
from itertools import product

import pytest

from tests.factories import MASTERCARD, VISA
from tests.web.conftest import words

PATH = "/billing/low-balance-settings"
STANDING = {
    "refill_on": "1", "threshold": "50.00", "refill_amount": "100.00", "refill_mode": "add",
    "target": "", "day_limit": "", "month_limit": "", "notification_on": "",
    "notification_threshold": "",
}  # fmt: skip


def preview(client, **typed):
    answer = client.get(f"{PATH}/preview", query_string={**STANDING, **typed})
    assert answer.status_code == 200
    return answer


def sentence(answer):
    found = re.search(r'class="(?:preview|next)-sentence"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found[1]) if found else None


@pytest.fixture
def used(world):
    """A week of about 12.00 a day, two methods, and refill switched on."""
    world.cards(VISA, MASTERCARD)
    world.pay(world.method("4242"), "100.00")
    world.refill()
    for _ in range(8 * 4):
        world.use("3.00")
        world.clock.advance(hours=6)
    return world


def test_the_preview_equals_the_sentence_after_applying_t13(client, used, database_rows):
    """T13: both come from the same planner; the preview saves nothing."""
    tried = 0
    for on, threshold, (mode, target), day in product(
        ("1", ""), ("20.00", "90.00", "400"), (("add", ""), ("target", "500")), ("", "40.00")
    ):
        typed = {
            "refill_on": on, "threshold": threshold, "refill_mode": mode, "target": target,
            "day_limit": day, "largest_charge": "1000",
        }  # fmt: skip
        before = database_rows()
        previewed = sentence(preview(client, **typed))
        assert database_rows() == before
        used.apply(
            refill_on=bool(on), threshold=threshold, refill_mode=mode, target=target or None,
            day_limit=day or None, no_day_limit=False, largest_charge="1000",
        )  # fmt: skip
        applied = sentence(client.get("/billing/payment-methods"))
        assert previewed == applied
        tried += 1
    assert tried == 24


def test_the_preview_warns_of_unsuitable_settings_n4(client, used):
    """N4, T10: a refill below a day's use, a limit below the refill, a notification never sent."""
    answer = preview(
        client, refill_amount="30.00", day_limit="30.00", notification_on="1",
        notification_threshold="50.00",
    )  # fmt: skip
    assert answer.text.count("note warn") == 1
    assert "The notification threshold is at or below your refill threshold" in words(answer)
    answer = preview(client, day_limit="40.00")
    assert "The limit of $40.00 a day is below the refill amount of $100.00" in words(answer)
    answer = preview(client, no_day_limit="1", day_limit="40.00")
    assert "A fourth refill within 10 minutes still pauses automatic refills" in words(answer)
    assert "The limit of" not in words(answer)
    used.use("300.00")
    assert "is less than a day’s use" in words(preview(client, refill_amount="30.00"))


@pytest.mark.parametrize(
    "typed",
    [{"threshold": ""}, {"threshold": "x"}, {"refill_amount": "1"}, {"day_limit": "0.5"}],
)
def test_incomplete_settings_have_no_preview(client, used, typed):
    answer = preview(client, **typed)
    assert words(answer).endswith("1 field to fix"), "for the script alone: it is hidden"
    assert sentence(answer) is None


def test_the_panel_suggests_amounts_from_the_usage(client, used):
    """One click fills in the fields; the text is shown without JavaScript too."""
    page = client.get("/billing/payment-methods")
    written = " ".join(page.text.split())
    assert 'data-fill data-threshold="50.00" data-refill="90.00"' in written
    assert "You use about $11.57 a day, $12.00 on the busiest of the last 7." in words(page)


def test_the_preview_lists_the_errors_of_each_field_t1_p5(client, world):
    """T1, T2, P5: so that an error disappears once its field is correct."""
    form = {"refill_on": "1", "threshold": "abc", "refill_amount": "5", "refill_mode": "add"}

    def faults(**typed):
        answer = preview(client, **form | typed)
        found = re.search(r"data-refusal hidden>([^<]*)<", answer.text)
        assert (found is None) == bool(sentence(answer))
        each = dict(re.findall(r'data-of="(\w+)">([^<]*)<', answer.text))
        assert (found and found[1]) == {0: None, 1: "1 field to fix"}.get(
            len(each), f"{len(each)} fields to fix"
        )
        return each

    no_method = {"refill_on": "Needs a payment method with auto-charge on"}
    too_small = {"refill_amount": "At least $30.00"}
    assert faults() == no_method | too_small | {"threshold": "Enter an amount such as 50.00"}
    assert faults(threshold="50") == no_method | too_small
    world.card(VISA)
    assert faults(threshold="50") == too_small
    assert faults(threshold="50", refill_amount="x") == {
        "refill_amount": "Enter an amount such as 50.00"
    }
    assert faults(threshold="50", refill_amount="100") == {}
