"""PayPal by its REST API: agreements from its vault, charged as orders."""
