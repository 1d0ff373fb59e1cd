"""Faults on demand: each kind, and which request it strikes."""

from __future__ import annotations

import threading
import time
import typing as t
from dataclasses import asdict, replace
from email.utils import parsedate_to_datetime

import pytest
import requests
from rainfocus_sandbox.data.customer import EVENT_API_PROFILE
from rainfocus_sandbox.faults.faults import KINDS, Fault

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from rainfocus_sandbox.faults.faults import Kind
    from rainfocus_sandbox.testing import RunningSandbox

    Call = Callable[..., requests.Response]

ANN = {"email": "ann@example.com"}


def search(
    get: Call, *, headers: dict[str, str] | None = None, **query: str | int
) -> requests.Response:
    return get("attendee/search", headers=headers, event="summit26", **query)


def ids(page: dict[str, t.Any]) -> list[str]:
    return [record["attendeeId"] for record in page["results"]]


def emails(sandbox: RunningSandbox) -> list[str]:
    return [record["email"] for record in sandbox.store.attendees("summit26")]


def outcomes(sandbox: RunningSandbox) -> list[tuple[str, str, str, int, str]]:
    return [(c.call, c.event, c.profile, c.status, c.code) for c in sandbox.store.log()]


def is_html(reply: requests.Response) -> bool:
    return reply.headers["content-type"].startswith("text/html") and "<html>" in reply.text


# The kinds


def test_retry_after_seconds(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("retry_after_seconds", seconds=7))
    reply = search(get)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert is_html(reply)
    assert search(get).ok
    assert outcomes(sandbox) == [
        ("attendee/search", "summit26", "api-global", 429, ""),
        ("attendee/search", "summit26", "api-global", 200, "0"),
    ]


def test_retry_after_date(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("retry_after_date", seconds=90))
    reply = search(get)
    assert reply.status_code == 429
    assert reply.headers["retry-after"].endswith(" GMT")
    then, now = (parsedate_to_datetime(reply.headers[name]) for name in ("retry-after", "date"))
    assert (then - now).total_seconds() == 90


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_error(sandbox: RunningSandbox, post: Call, status: int) -> None:
    sandbox.faults.add(Fault("server_error", status=status))
    reply = post("attendee/store", ANN)
    assert reply.status_code == status
    assert "retry-after" not in reply.headers
    assert is_html(reply)
    assert ANN["email"] not in emails(sandbox)


@pytest.mark.parametrize(("kind", "is_stored"), [("drop", False), ("drop_after", True)])
def test_drop(sandbox: RunningSandbox, post: Call, kind: Kind, *, is_stored: bool) -> None:
    sandbox.faults.add(Fault(kind))
    with pytest.raises(requests.ConnectionError, match="without response"):
        post("attendee/store", ANN)
    assert (ANN["email"] in emails(sandbox)) is is_stored
    assert outcomes(sandbox) == [("attendee/store", "summit26", "api-global", 0, "")]
    assert post("attendee/store", ANN).ok
    assert emails(sandbox).count(ANN["email"]) == 1


def test_drop_is_no_error_of_the_server(
    sandbox: RunningSandbox, get: Call, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in ("drop", "drop_after", "cut"):
        sandbox.faults.add(Fault(kind))
        with pytest.raises(requests.RequestException):
            search(get)
    assert search(get).ok
    assert caplog.records == []


def test_cut(sandbox: RunningSandbox, get: Call) -> None:
    whole = get("attendee/load", event="summit26", attendeeId="nobody").content
    sandbox.faults.add(Fault("cut"))
    with requests.get(
        f"{sandbox.api_url}/acme/v3/attendee/load?event=summit26&attendeeId=nobody",
        headers={"apiProfile": sandbox.api_profile},
        stream=True,
        timeout=10,
    ) as reply:
        assert int(reply.headers["content-length"]) == len(whole)
        assert reply.raw.read(len(whole) // 2) == whole[: len(whole) // 2]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(reply.iter_content())


def test_slow_lets_others_pass(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("slow", call="attendee/search", seconds=0.4))
    took: list[float] = []

    def ask() -> None:
        started = time.monotonic()
        assert ids(search(get).json())
        took.append(time.monotonic() - started)

    slow = threading.Thread(target=ask)
    slow.start()
    while not sandbox.faults.struck()["slow"]:
        time.sleep(0.005)
    ask()
    slow.join()
    quick_s, slow_s = took
    assert quick_s < 0.3
    assert slow_s >= 0.4


def test_slow_is_carried_out_though_the_client_leaves(sandbox: RunningSandbox) -> None:
    sandbox.faults.add(Fault("slow", seconds=30))
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.api_url}/acme/v3/attendee/store?event=summit26",
            json=ANN,
            headers={"apiProfile": sandbox.api_profile},
            timeout=0.2,
        )
    assert ANN["email"] in emails(sandbox)
    deadline = time.monotonic() + 5
    while not outcomes(sandbox) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert outcomes(sandbox) == [("attendee/store", "summit26", "api-global", 0, "")]


def test_empty_page(sandbox: RunningSandbox, get: Call) -> None:
    true_first = search(get, pageSize=20).json()
    true_last = search(get, pageSize=20, cursor=true_first["cursor"]).json()

    sandbox.faults.add(Fault("empty_page"))
    empty = search(get, pageSize=20).json()
    assert empty["results"] == []
    assert "timestamp" in empty
    assert ids(search(get, pageSize=20, cursor=empty["cursor"]).json()) == ids(true_first)

    sandbox.faults.add(Fault("empty_page"))
    empty = search(get, pageSize=20, cursor=true_first["cursor"]).json()
    assert (empty["results"], empty["cursor"]) == ([], true_first["cursor"])
    assert search(get, pageSize=20, cursor=empty["cursor"]).json() == true_last
    assert [call.records for call in sandbox.store.log()] == [20, 5, 0, 20, 0, 5]


def test_short_page(sandbox: RunningSandbox, get: Call) -> None:
    whole = ids(search(get).json())
    sandbox.faults.add(Fault("short_page", times=2))
    sizes: list[int] = []
    found: list[str] = []
    cursor: dict[str, t.Any] = {}
    while True:
        page = search(get, pageSize=10, **cursor).json()
        sizes.append(len(page["results"]))
        found += ids(page)
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert sizes == [5, 5, 10, 5]
    assert found == whole


def test_short_page_at_the_end(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("short_page"))
    page = search(get).json()
    assert len(page["results"]) == 12
    assert "timestamp" in page
    rest = search(get, cursor=page["cursor"]).json()
    assert len(rest["results"]) == 13
    assert "cursor" not in rest


def test_repeat_cursor(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("repeat_cursor", times=None))
    assert "cursor" not in search(get).json(), "no cursor was sent that could be repeated"
    first = search(get, pageSize=20).json()
    last = search(get, pageSize=20, cursor=first["cursor"]).json()
    assert len(last["results"]) == 5
    assert last["cursor"] == first["cursor"]
    assert search(get, pageSize=20, cursor=last["cursor"]).json() == last
    assert sandbox.faults.struck() == {"repeat_cursor": 2}


def test_no_timestamp(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("no_timestamp"))
    first = search(get, pageSize=20).json()
    assert first.keys() == {"responseCode", "responseMessage", "cursor", "results"}
    assert "timestamp" in search(get, pageSize=20).json()


@pytest.mark.parametrize(("kind", "status"), [("refuse_200", 200), ("refuse_400", 400)])
def test_refuse(sandbox: RunningSandbox, get: Call, post: Call, kind: Kind, status: int) -> None:
    sandbox.faults.add(Fault(kind, call="attendee/store"), Fault(kind, code="15"))
    reply = post("attendee/store", ANN)
    assert (reply.status_code, reply.json()["responseCode"]) == (status, "27")
    assert ANN["email"] in reply.json()["responseMessage"]
    assert ANN["email"] not in emails(sandbox)
    reply = search(get)
    assert (reply.status_code, reply.json()["responseCode"]) == (status, "15")
    assert [(o[3], o[4]) for o in outcomes(sandbox)] == [(status, "27"), (status, "15")]
    assert ANN["email"] not in str(sandbox.store.log())


def test_html(sandbox: RunningSandbox, post: Call) -> None:
    sandbox.faults.add(Fault("html"))
    reply = post("attendee/store", ANN)
    assert reply.status_code == 200
    assert is_html(reply)
    assert ANN["email"] not in emails(sandbox)


def test_truncated_json(sandbox: RunningSandbox, get: Call) -> None:
    whole = get("entityDataDump/session", event="summit26")
    sandbox.faults.add(Fault("truncated_json"))
    half = get("entityDataDump/session", event="summit26")
    assert (half.status_code, half.headers["content-type"]) == (200, whole.headers["content-type"])
    assert int(half.headers["content-length"]) == len(whole.content) // 2
    assert half.content == whole.content[: len(whole.content) // 2]


def test_expired_token(sandbox: RunningSandbox, get: Call, get_token: Callable[[], str]) -> None:
    old, other = ({"Authorization": f"Bearer {get_token()}"} for _ in range(2))
    bad = {"Authorization": "Bearer nosuch"}
    sandbox.faults.add(Fault("expired_token"))
    assert search(get).ok, "no token, none to expire"
    assert search(get, headers=bad).status_code == 401
    assert not sandbox.faults.struck()

    reply = search(get, headers=old)
    assert (reply.status_code, reply.json()["responseCode"]) == (401, "107")
    assert sandbox.faults.struck() == {"expired_token": 1}
    assert search(get, headers=old).status_code == 401
    assert search(get, headers=other).status_code == 401
    assert search(get, headers={"Authorization": f"Bearer {get_token()}"}).ok


def test_short_lived_tokens(sandbox: RunningSandbox, get: Call) -> None:
    def sign_in() -> dict[str, t.Any]:
        reply = requests.post(
            sandbox.token_url,
            data={"grant_type": "client_credentials"},
            auth=(sandbox.client_id, sandbox.client_secret),
            timeout=10,
        )
        return t.cast("dict[str, t.Any]", reply.json())

    sandbox.faults.token_life(1.5)
    issued = sign_in()
    headers = {"Authorization": f"Bearer {issued['access_token']}"}
    assert issued["expires_in"] == 1
    assert search(get, headers=headers).ok
    time.sleep(1.5)
    assert search(get, headers=headers).status_code == 401
    sandbox.faults.token_life(None)
    assert sign_in()["expires_in"] == 3600


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("wrong_environment", (400, "103", "You must provide a valid userToken")),
        ("denied", (200, "124", "Access to API endpoint attendee denied.")),
        ("unknown_event", (400, "104", "Event not found")),
    ],
)
def test_refusals_of_access(
    sandbox: RunningSandbox,
    get: Call,
    get_token: Callable[[], str],
    kind: Kind,
    refusal: tuple[int, str, str],
) -> None:
    sandbox.faults.add(Fault(kind, times=2))
    for headers in (None, {"Authorization": f"Bearer {get_token()}"}):
        reply = search(get, headers=headers)
        assert (reply.status_code, *reply.json().values()) == refusal
    assert search(get).json()["responseCode"] == "0"


def test_latency(sandbox: RunningSandbox, get: Call, get_token: Callable[[], str]) -> None:
    sandbox.faults.latency(0.2, 0.01)
    started = time.monotonic()
    search(get)
    get_token()
    took_s = time.monotonic() - started
    assert took_s >= 0.4
    sandbox.faults.latency(0)
    started = time.monotonic()
    search(get)
    assert time.monotonic() - started < 0.2
    assert [call.milliseconds >= 200 for call in sandbox.store.log()] == [True, True, False]


def test_latency_is_waited_together(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.latency(0.3)
    threads = [threading.Thread(target=search, args=(get,)) for _ in range(5)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.3 <= time.monotonic() - started < 1.2


@pytest.mark.parametrize("call", ["attendee/store", "attendee/update"])
@pytest.mark.parametrize(
    ("fault", "status", "is_stored"),
    [
        (Fault("retry_after_seconds"), 429, False),
        (Fault("retry_after_date"), 429, False),
        (Fault("server_error", status=503), 503, False),
        (Fault("drop"), 0, False),
        (Fault("drop_after"), 0, True),
        (Fault("cut"), 0, True),
        (Fault("slow", seconds=30), 0, True),
        (Fault("refuse_200"), 200, False),
        (Fault("refuse_400"), 400, False),
        (Fault("html"), 200, False),
        (Fault("truncated_json"), 200, True),
        (Fault("expired_token"), 401, False),
        (Fault("wrong_environment"), 400, False),
        (Fault("denied"), 200, False),
        (Fault("unknown_event"), 400, False),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_every_fault_of_a_write(
    sandbox: RunningSandbox,
    get_token: Callable[[], str],
    call: str,
    fault: Fault,
    status: int,
    *,
    is_stored: bool,
) -> None:
    attendee = sandbox.store.attendees("summit26")[0]

    def write(city: str) -> int:
        try:
            return requests.post(
                f"{sandbox.api_url}/acme/v3/{call}?event=summit26",
                json={"email": attendee["email"], "city": city},
                headers={"Authorization": f"Bearer {token}"},
                timeout=0.2 if fault.kind == "slow" else 10,
            ).status_code
        except requests.RequestException:
            return 0

    token = get_token()
    sandbox.faults.add(replace(fault, call=call, skip=1))
    assert write("Reno") == 200
    assert write("Elko") == status
    assert sandbox.faults.struck() == {fault.kind: 1}
    city = sandbox.store.attendees("summit26")[0]["city"]
    assert city == ("Elko" if is_stored else "Reno")
    token = get_token()
    assert write("Ely") == 200


def test_a_refusal_repeats_the_hash_that_was_sent(sandbox: RunningSandbox, post: Call) -> None:
    sandbox.faults.add(Fault("refuse_200"))
    reply = post("attendee/store", {"email_lc_sha256": "ab" * 32})
    assert "ab" * 32 in reply.json()["responseMessage"]


# Which request is struck


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_strikes_once_and_is_counted(
    sandbox: RunningSandbox, get: Call, get_token: Callable[[], str], kind: Kind
) -> None:
    headers = {"Authorization": f"Bearer {get_token()}"}
    cursor = search(get, pageSize=20).json()["cursor"]
    query = {"cursor": cursor} if kind == "repeat_cursor" else {}
    sandbox.faults.add(Fault(kind, seconds=0.01))
    try:
        search(get, headers=headers, **query)
    except requests.RequestException:
        assert kind in {"drop", "drop_after", "cut"}
    assert sandbox.faults.struck() == {kind: 1}
    assert sandbox.faults.left() == []
    assert not sandbox.faults.armed
    assert len(sandbox.store.log()) == 3, "struck or not, each call is logged once"


def test_times_and_skip(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("server_error", skip=1, times=2))
    assert sandbox.faults.left() == [Fault("server_error", skip=1, times=2)]
    assert [search(get).status_code for _ in range(2)] == [200, 500]
    assert sandbox.faults.left() == [Fault("server_error", times=1)]
    assert [search(get).status_code for _ in range(2)] == [500, 200]


def test_the_first_that_matches_strikes(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(
        Fault("server_error", call="attendee/load", status=501),
        Fault("server_error", status=502),
        Fault("server_error", status=503, times=None),
    )
    assert [search(get).status_code for _ in range(3)] == [502, 503, 503]
    assert get("attendee/load", event="summit26").status_code == 501
    assert sandbox.faults.struck() == {"server_error": 4}


def test_one_call(sandbox: RunningSandbox, get: Call, post: Call) -> None:
    sandbox.faults.add(Fault("server_error", call="attendee/store"))
    assert search(get).ok
    assert post("attendee/store", ANN).status_code == 500


def test_one_profile(sandbox: RunningSandbox, get: Call, get_token: Callable[[], str]) -> None:
    sandbox.faults.add(
        Fault("server_error", profile="api-summit25", status=501, times=None),
        Fault("server_error", profile="oauth-global", status=502, times=None),
    )
    bearer = {"Authorization": f"Bearer {get_token()}"}
    assert search(get).ok
    assert search(get, headers={}).status_code == 400
    assert search(get, headers=bearer).status_code == 502
    assert get("attendee/search", headers={"apiProfile": EVENT_API_PROFILE}).status_code == 501


def test_the_token_endpoint_only_when_named(
    sandbox: RunningSandbox, get: Call, get_token: Callable[[], str]
) -> None:
    sandbox.faults.add(Fault("server_error"))
    assert get_token()
    assert search(get).status_code == 500
    for kind in ("server_error", "html"):
        sandbox.faults.add(Fault(kind, call="oidc/token", profile="oauth-global"))
        with pytest.raises(requests.JSONDecodeError):
            get_token()
    sandbox.faults.add(Fault("drop", call="oidc/token"))
    with pytest.raises(requests.ConnectionError):
        get_token()
    assert [(o[0], o[3]) for o in outcomes(sandbox)] == [
        ("oidc/token", 200),
        ("attendee/search", 500),
        ("oidc/token", 500),
        ("oidc/token", 200),
        ("oidc/token", 0),
    ]


@pytest.mark.parametrize("kind", ["empty_page", "short_page", "repeat_cursor", "no_timestamp"])
def test_page_faults_leave_the_rest_alone(
    sandbox: RunningSandbox, get: Call, post: Call, kind: Kind
) -> None:
    sandbox.faults.add(Fault(kind))
    assert get("entityDataDump/session", event="summit26").json()["data"]
    assert post("attendee/store", ANN).json()["responseCode"] == "0"
    assert search(get, headers={}).json()["responseCode"] == "103"
    assert get("nosuch/search").status_code == 404
    assert sandbox.faults.left() == [Fault(kind)]
    assert [c.code for c in sandbox.store.log()] == ["0", "0", "103", ""]


def test_requests_at_once_use_up_no_more_than_there_is(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("server_error", times=5))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(search(get).status_code)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 15 + [500] * 5


# Setting them


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "nosuch"}, "there is no fault nosuch"),
        ({"kind": "drop", "call": "nosuch/search"}, "drop cannot strike nosuch/search"),
        ({"kind": "short_page", "call": "attendee/load"}, "choose one of attendee/search"),
        ({"kind": "denied", "call": "oidc/token"}, "denied cannot strike oidc/token"),
        ({"kind": "drop", "profile": "nosuch"}, "there is no profile nosuch"),
        ({"kind": "drop", "times": 0}, "times"),
        ({"kind": "drop", "times": 1.5}, "times"),
        ({"kind": "drop", "skip": -1}, "skip"),
        ({"kind": "slow", "seconds": -1}, "seconds"),
        ({"kind": "slow", "seconds": float("inf")}, "seconds"),
        ({"kind": "server_error", "status": 200}, "status"),
        ({"kind": "refuse_200", "code": " "}, "code"),
    ],
)
def test_a_fault_that_cannot_be(fields: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**fields)


def test_faults_over_http(sandbox: RunningSandbox, get: Call) -> None:
    url = f"{sandbox.url}/sandbox/faults"
    search_fault = {"kind": "server_error", "call": "attendee/search", "times": None}
    assert requests.post(url, json=[{"kind": "html"}], timeout=10).status_code == 200
    set_now = requests.post(url, json=[search_fault], timeout=10).json()
    assert set_now == [asdict(Fault("server_error", call="attendee/search", times=None))]
    assert [f["kind"] for f in requests.post(url, json={"kind": "drop"}, timeout=10).json()] == [
        "server_error",
        "drop",
    ]
    assert [search(get).status_code for _ in range(2)] == [500, 500]
    assert len(requests.get(url, timeout=10).json()) == 2
    for nonsense in ({"kind": "nosuch"}, {"kind": "drop", "x": 1}, [5], 5, [{"times": "many"}]):
        reply = requests.post(url, json=nonsense, timeout=10)
        assert (reply.status_code, reply.json().keys()) == (400, {"error"})
    assert len(requests.get(url, timeout=10).json()) == 2
    assert requests.delete(url, timeout=10).json() == []
    assert search(get).ok
    assert sandbox.faults.struck() == {}


def test_reset_clears(sandbox: RunningSandbox, get: Call) -> None:
    sandbox.faults.add(Fault("drop"))
    sandbox.faults.latency(5)
    sandbox.faults.token_life(5)
    requests.post(f"{sandbox.url}/sandbox/reset", json={"attendees": 3}, timeout=10)
    assert search(get).elapsed.total_seconds() < 4
    assert sandbox.faults.token_life_s is None
    assert not sandbox.faults.armed


def test_commands(command: Callable[..., subprocess.CompletedProcess[str]], port: int) -> None:
    refused = command("fault", "drop")
    assert (refused.returncode, "no sandbox runs" in refused.stderr) == (1, True)
    command("start", "--attendees=3", "--sessions=3", "--exhibitors=3", "--leads=3", "--speakers=3")
    done = command(
        "fault", "server_error", "--call=attendee/search", "--status=503", "--times=2", "--skip=1"
    )
    assert done.stdout.split()[-5:] == ["server_error", "attendee/search", "every", "2", "1"]
    url = f"http://127.0.0.1:{port}/api/acme/v3/attendee/search?event=summit25"
    headers = {"apiProfile": "sandboxprofile"}
    statuses = [requests.get(url, headers=headers, timeout=10).status_code for _ in range(2)]
    assert statuses == [200, 503]
    assert command("fault", "html", "--always").stdout.split()[-5:] == [
        "html",
        "every",
        "every",
        "always",
        "0",
    ]
    assert "server_error" in command("faults").stdout
    wrong = command("fault", "short_page", "--call=attendee/load")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("Error: short_page cannot strike attendee/load")
    assert command("faults", "--clear").stdout == "Nothing is set to go wrong.\n"
    assert requests.get(url, headers=headers, timeout=10).ok
