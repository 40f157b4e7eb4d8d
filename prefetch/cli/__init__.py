"""The administrator's verbs: one module a noun, heavy imports only inside the command that needs them."""

from prefetch.cli.program import main

__all__ = ["main"]
