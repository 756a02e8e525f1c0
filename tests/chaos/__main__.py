"""Kill the product's processes under traffic, over and over, and compare the books (L3, T7, L12).

    python -m tests.chaos --kills 500 [--database KIND] [--seed N] [--json FILE]

The real web server and schedulers run on one installation in a temporary folder, against the
sandbox's own books and a mail server, both with bad answers. Clients post usage, press buttons and
come back from their bank; there are no incoming webhooks yet, so a challenge from which somebody
returns ten times at once is the nearest to one that arrives ten times. Processes die by SIGKILL at
each step between the rows and at random moments. At the end nothing may differ; exit code 1 if
something does.

On `postgres-ha` and `postgres-pgbouncer` it is the primary of two PostgreSQL servers that is
killed, so many times, and the product's processes have to go on by themselves.
"""

if __name__ == "__main__":  # a forked process reads this file too, and needs none of it
    from tests.chaos.command import main

    main()
