"""The command `target-rainfocus-attendees`."""

from __future__ import annotations

import typing as t

from rainfocus_client.command import run_command

from target_rainfocus_attendees.target import TargetRainFocusAttendees


def main() -> t.NoReturn:
    """Run the command and leave the process."""
    # The SDK says at every start that it did nothing.
    TargetRainFocusAttendees.logger.addFilter(
        lambda record: "Skipping parse of env" not in str(record.msg)
    )
    run_command(TargetRainFocusAttendees.cli, TargetRainFocusAttendees.logger)


if __name__ == "__main__":
    main()
