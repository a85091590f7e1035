"""The command itself: its verbs, gathered from the modules beside it.

Section:
    All sections.
"""

from __future__ import annotations

import typer

from lab_support.cli import application, authors, messaging, migrations, shop, students

app = typer.Typer(
    name="lab",
    help="The persistence workbook: do its labs, check them, serve its application, build its notebooks.",
    epilog="Begin with: lab open. For completion by Tab: lab --install-completion",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for verb, example, function in (
    *students.VERBS,
    *application.VERBS,
    *messaging.VERBS,
    *shop.VERBS,
    *migrations.VERBS,
    *authors.VERBS,
):
    app.command(verb, epilog=f"Example: {example}")(function)


def main() -> None:
    """Run the `lab` command."""
    app(prog_name="lab")
