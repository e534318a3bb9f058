"""The `undertone` command: its subcommands and its error handling."""

from __future__ import annotations

import signal
import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.text import Text

from services.cli.annotate import annotate
from services.cli.bench import bench
from services.cli.clips import clips
from services.cli.doctor import doctor
from services.cli.encryption import encryption
from services.cli.evaluate import evaluate
from services.cli.keys import keys
from services.cli.models import models
from services.cli.score import score
from services.cli.serve import serve
from services.cli.train import export_command, train_command
from shared.domain.error import UndertoneError
from shared.infra.startup import setting_error

app = typer.Typer(
    name="undertone",
    help="Meeting transcripts with speakers, word times and the emotion perceived in every utterance.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # our errors have messages; other exceptions are bugs and show a traceback
    add_completion=False,
)
app.command()(annotate)
app.command()(doctor)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.command()(clips)
app.add_typer(encryption, name="encryption")
app.command()(score)
app.command()(serve)
app.add_typer(evaluate, name="evaluate")
app.add_typer(bench, name="bench")
app.command("train")(train_command)
app.command("export")(export_command)


def main() -> None:
    """Run a command; print one of our errors as one sentence on stderr and exit with its status."""
    # SIGTERM ends a run as Ctrl-C does: finished results are kept, scratch folders are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except (ValidationError, SettingsError) as error:
        sys.exit(explain(setting_error(error)))
    except UndertoneError as error:
        sys.exit(explain(error))


def explain(error: UndertoneError) -> int:
    console = Console(stderr=True)
    console.print(Text.assemble(("error ", "bold red"), (f"[{error.code}] ", "red"), error.message), soft_wrap=True)
    if error.hint:
        console.print(Text.assemble(("  → ", "bold"), error.hint), soft_wrap=True)
    return error.exit_status
