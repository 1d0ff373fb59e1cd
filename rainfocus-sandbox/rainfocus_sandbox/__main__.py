"""`python -m rainfocus_sandbox` is the `rainfocus-sandbox` command."""

from __future__ import annotations

from rainfocus_sandbox.cli import main

main()
