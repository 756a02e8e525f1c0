"""The Content-Security-Policy: our own host, and the hosts of a processor's form."""

from webapp.ports import Front
from webapp.web.http.security_headers import POLICY, opened_for


def test_the_policy_is_unchanged_without_processor_hosts():
    assert opened_for([Front(), Front()]) == POLICY


def test_the_policy_adds_exactly_the_named_hosts():
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


def test_pages_of_a_sandbox_have_the_unchanged_policy(client):
    page = client.get("/billing/payment-methods")

    assert page.headers["Content-Security-Policy"] == POLICY
