"""Client of the Ballast API: `connect`, `UsageQueue`, and the generated operations and models."""

from ballast_client.client import Refused, Unsent, UsageQueue, connect

__all__ = ["Refused", "Unsent", "UsageQueue", "connect"]
