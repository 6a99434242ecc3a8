"""The ``farm`` command: one module per noun. Results go to stdout, messages to stderr.

A command module imports what is heavy (torch, Ray, the web server) inside the command that needs
it, so that ``farm --help`` is quick and the client works without the farm extra.
"""

from farm.cli.entry import main

__all__ = ["main"]
