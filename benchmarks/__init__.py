"""Benchmarks of Ballast, each beside a bound measured in the same run: `make bench`."""
