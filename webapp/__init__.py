"""Ballast: keeps prepaid balances funded."""

import gc

# By default, Python searches for garbage per 700 new objects, which takes a tenth of the time of
# a start: the imports create 200,000 objects, and all of them stay.
gc.set_threshold(20_000)
