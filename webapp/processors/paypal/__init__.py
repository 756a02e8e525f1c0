"""Adapter for PayPal's REST API: agreements in its vault, charged as orders."""
