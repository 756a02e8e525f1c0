"""Records for the API and `--json` output: exact amounts, timestamps and stable codes."""
