"""What a browser may load: our own host, and what a processor's form is made of."""

from webapp.ports import Front
from webapp.web.http.security_headers import POLICY, opened_for


def test_the_policy_stands_where_no_processor_asks_for_more():
    assert opened_for([Front(), Front()]) == POLICY


def test_it_is_opened_for_exactly_the_hosts_that_are_named():
    front = Front(
        sources={"script-src": ("https://a.example",), "form-action": ("https://b.example",)}
    )

    rules = opened_for([front, Front()]).split("; ")

    assert "script-src 'self' https://a.example" in rules
    assert "form-action 'self' https://b.example" in rules
    assert set(rules) - set(POLICY.split("; ")) == {
        "script-src 'self' https://a.example",
        "form-action 'self' https://b.example",
    }


def test_pages_of_a_sandbox_are_opened_for_nobody(client):
    page = client.get("/billing/payment-methods")

    assert page.headers["Content-Security-Policy"] == POLICY
