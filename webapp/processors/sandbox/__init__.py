"""The sandbox processors: public test cards, their own books, and no real money."""
