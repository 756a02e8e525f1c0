"""Records for the API and `--json` output: exact amounts, timestamps and stable codes.

Their docstrings are the field descriptions in the OpenAPI document.
"""
