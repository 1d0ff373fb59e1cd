"""The command `tap-rainfocus`."""

from __future__ import annotations

import typing as t

from rainfocus_client.command import run_plugin

from tap_rainfocus.tap import TapRainFocus


def main() -> t.NoReturn:
    """Run the tap; every failure ends in one line and exit code 1."""
    # The SDK says at every start that it did nothing.
    TapRainFocus.logger.addFilter(lambda record: "Skipping parse of env" not in str(record.msg))
    run_plugin(TapRainFocus)


if __name__ == "__main__":
    main()
