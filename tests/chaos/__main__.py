"""Chaos run: kill the product's processes under traffic and compare the books (L3, T7, L12).

python -m tests.chaos --kills 500 [--database KIND] [--seed N] [--json FILE]

The real web server and schedulers run on one installation in a temporary folder, against the
sandbox's own books and a mail server, both with injected faults. Clients post usage, use the
screens and return from their bank, up to ten times at once. SIGKILL ends processes at the steps
around commits and calls, and at random moments. The exit code is 1 if the books differ at the end.

On `postgres-ha` and `postgres-pgbouncer` the primary of two PostgreSQL servers is killed instead,
`--kills` times, and the product's processes must recover without a restart.
"""

if __name__ == "__main__":  # forked processes import this file without running it
    from tests.chaos.command import main

    main()
