"""The command `tap-rainfocus`."""

from __future__ import annotations

import sys
import typing as t
from functools import partial

from rainfocus_client.singer.command import run_plugin

from tap_rainfocus.tap import TapRainFocus
from tap_rainfocus.xdm_command import xdm


def main() -> t.NoReturn:
    """Run the tap, or `xdm`; every failure ends in one line and a code of its kind."""
    is_xdm = sys.argv[1:2] == ["xdm"]
    run_plugin(
        TapRainFocus,
        partial(xdm, sys.argv[2:], prog_name="tap-rainfocus xdm", standalone_mode=False)
        if is_xdm
        else None,
    )


if __name__ == "__main__":
    main()
