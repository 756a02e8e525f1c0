"""A pretend processor: the field's public test cards, with books of its own and no real money."""
