"""The command line: arguments and printing only."""

from __future__ import annotations


def main() -> None:
    """Runs ``memedit`` with the process's arguments."""
    from memedit.cli.app import app

    app()
