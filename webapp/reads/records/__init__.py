"""What programs are shown: exact amounts, instants and words that do not change with the language.

The machine interface answers with them, and commands print them with `--json`.
"""
