"""Pages go out compressed to who takes it."""

import gzip

PAGE = "/billing/payment-methods"
ACCEPT = {"Accept-Encoding": "gzip, br"}


def test_a_page_is_compressed_for_who_takes_it(client):
    plain = client.get(PAGE)
    packed = client.get(PAGE, headers=ACCEPT)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Payment Methods" in gzip.decompress(packed.data).decode()
    assert len(packed.data) < len(plain.data) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_its_size_does_not_tell_what_stands_on_it(client):
    """BREACH: the same page has many sizes."""
    sizes = {len(client.get(PAGE, headers=ACCEPT).data) for _ in range(12)}
    assert len(sizes) > 3


def test_what_is_short_goes_out_as_it_is(client):
    answer = client.get("/healthz", headers=ACCEPT)
    assert "Content-Encoding" not in answer.headers
    assert answer.text == "ok\n"
