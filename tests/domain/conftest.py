"""Property tests use fixed examples, so that failures are reproducible."""

from hypothesis import settings

settings.register_profile("ballast", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=3000)
settings.load_profile("ballast")
