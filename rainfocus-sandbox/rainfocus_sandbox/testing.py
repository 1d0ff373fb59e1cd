"""A sandbox inside the test's own process."""

from __future__ import annotations

import threading
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

from rainfocus_sandbox.data.customer import API_PROFILE, CLIENT_ID, CLIENT_SECRET, ORG_ID
from rainfocus_sandbox.seed import Sizes
from rainfocus_sandbox.server.http import HOST, SandboxServer, listen, open_seeded

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rainfocus_sandbox.data.store import Store
    from rainfocus_sandbox.faults.faults import Faults
    from rainfocus_sandbox.webhooks.activities import Pushes

SMALL = Sizes(attendees=120, sessions=30, exhibitors=12, leads=40, speakers=20)


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Where a sandbox answers, how to sign in, what is in it, what goes wrong, what it pushes."""

    url: str
    store: Store
    faults: Faults
    pushes: Pushes
    org_id: str = ORG_ID
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    api_profile: str = API_PROFILE

    @property
    def api_url(self) -> str:
        """The base of the API, before the org id."""
        return f"{self.url}/api"

    @property
    def token_url(self) -> str:
        """Where access tokens are issued."""
        return f"{self.url}/oidc/token"


@contextmanager
def running(database: Path, *, sizes: Sizes = SMALL) -> Iterator[RunningSandbox]:
    """Run a sandbox over `database` on a free port, in a thread, until the block ends."""
    with listen(0) as listening, open_seeded(database, sizes) as store:
        server = SandboxServer(store)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            url = f"http://{HOST}:{listening.getsockname()[1]}"
            yield RunningSandbox(url, store, server.faults, server.pushes)
        finally:
            server.stop()
            thread.join()
