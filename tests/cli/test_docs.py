"""docs/commands.md: the example session prints what the page shows."""

import re

from webapp.settings import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text()


def shown(output):
    """Return the output as the page shows it: without secrets and trailing blanks."""
    output = re.sub(r"\b(bk_|whsec_)[\w+/=-]{20,}", r"\1…", output)
    return "\n".join(line.strip() for line in output.splitlines())


def test_the_example_session_is_real(flask, world):
    [session] = re.findall(r"```text\n(\$ flask .*?)```", PAGE, re.DOTALL)
    steps = [step.partition("\n") for step in session.split("$ flask ")[1:]]
    assert len(steps) > 5
    for command, _, expected in steps:
        assert shown(flask(command).output) == expected.strip(), command


def test_every_group_of_commands_has_a_row(app):
    groups = {name for name, it in app.cli.commands.items() if hasattr(it, "commands")}
    missing = {group for group in groups if f"`{group} " not in PAGE}
    assert missing == {"demo"}, "`make run` uses it"
