"""Pages are compressed for clients that accept it."""

import gzip

PAGE = "/billing/payment-methods"
ACCEPT = {"Accept-Encoding": "gzip, br"}


def test_a_page_is_compressed_if_the_client_accepts_it(client):
    plain = client.get(PAGE)
    packed = client.get(PAGE, headers=ACCEPT)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Payment Methods" in gzip.decompress(packed.data).decode()
    assert len(packed.data) < len(plain.data) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_the_compressed_size_varies(client):
    """BREACH: the size of a page must not reveal its content."""
    sizes = {len(client.get(PAGE, headers=ACCEPT).data) for _ in range(12)}
    assert len(sizes) > 3


def test_a_short_response_is_not_compressed(client):
    answer = client.get("/healthz", headers=ACCEPT)
    assert "Content-Encoding" not in answer.headers
    assert answer.text == "ok\n"
