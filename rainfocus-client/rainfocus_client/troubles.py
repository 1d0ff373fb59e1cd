"""What can end a run or keep a record from being sent, each with a code that stays as it is."""

from __future__ import annotations

import enum
import re

_CODE = re.compile(r"\[RF-\d{3}\]$")


class Trouble(enum.Enum):
    """A code, what it means, and what to do; `docs/troubleshooting.md` is this table.

    A code is never given to another thing. The hundreds are: 1 settings, 2 credentials and access,
    3 network, 4 what RainFocus answers, 5 the target's input and its records, 6 files and
    databases, 7 the receiver, 9 anything else.
    """

    def __init__(self, code: str, meaning: str, advice: str) -> None:
        """Take the columns of the table."""
        self.code = code
        self.meaning = meaning
        self.advice = advice

    SETTING = (
        "RF-101",
        "A setting is missing, or its value cannot work.",
        "Correct the setting that the message names. `--about` tells what each one may be.",
    )
    UNKNOWN_SETTING = (
        "RF-102",
        "A setting, or an environment variable, is not known and looks like one misspelt.",
        "Write it as the message says.",
    )
    CONFIG_FILE = (
        "RF-103",
        "A config file, `.env`, or a file that the command line names cannot be read.",
        (
            "Check that it is there, and that it is a text file in UTF-8; a config file holds one "
            "JSON object."
        ),
    )
    NO_CREDENTIALS = (
        "RF-104",
        "There are no credentials, or two kinds, or half of one.",
        "Set `client_id` and `client_secret`, or `api_profile`.",
    )
    ADDRESS = (
        "RF-105",
        "A setting that is a web address, or a part of one, is none.",
        (
            "Give `api_url` and `token_url` as `https://host/path`; `org_id` and `environment` are "
            "plain names."
        ),
    )
    CONFLICT = (
        "RF-106",
        "Two settings do not go together.",
        "Change one of the two that the message names.",
    )
    OUTPUT_FILE = (
        "RF-107",
        "A setting names a file that cannot be written, or that already is something else.",
        "Give each its own file, in a folder that is there and can be written.",
    )
    LOG_LEVEL = (
        "RF-108",
        "The log's level is none.",
        "Set it to debug, info, warning or error.",
    )
    USAGE = (
        "RF-109",
        "The command line cannot work.",
        "See the command's `--help`.",
    )
    STREAM_MAP = (
        "RF-110",
        "A stream map cannot be used, at all or on a record.",
        (
            "Check the names and expressions in `stream_maps`. Records may lack what an expression "
            "takes."
        ),
    )
    CATALOG = (
        "RF-111",
        "The catalog is none, or one of an earlier version.",
        "Make a new one with `--discover`.",
    )
    NOTHING_SELECTED = (
        "RF-112",
        "No stream is selected.",
        "Select some in the catalog, or run without one.",
    )
    STATE = (
        "RF-113",
        "The state cannot be used: it is none of this tap, or was changed by hand.",
        (
            "Correct the bookmark that the message names, or run without state, which reads all "
            "from `start_date` on."
        ),
    )
    UNKNOWN_STREAM = (
        "RF-114",
        "A setting names a stream that there is not.",
        "Take one of those that the message lists.",
    )
    NO_INBOX = (
        "RF-115",
        "`experience_events` is selected, and there is no inbox to read them from.",
        "Set `inbox_url` to that of the receiver, or deselect the stream.",
    )
    NO_COLUMN = (
        "RF-116",
        "A setting names a column that a stream does not have.",
        (
            "Correct the name; the message lists the columns. Or leave the stream out with "
            "`streams`."
        ),
    )
    NO_IDENTITY = (
        "RF-117",
        "A stream that is to be loaded has no column that says who somebody is.",
        "Name the column in `field_map`, or leave the stream out with `streams`.",
    )
    OWN_FILE = (
        "RF-118",
        "The input is a file that this run writes.",
        "Give the run another file to write, such as a new `rejects_path`.",
    )
    CA_CERTIFICATES = (
        "RF-119",
        "The file of CA certificates cannot be read.",
        "Check the variables that the message names.",
    )
    PROXY = (
        "RF-120",
        "The proxy that the environment names is none.",
        "Give it as `http://host:port`.",
    )
    NOT_INSTALLED = (
        "RF-121",
        "A part is not installed.",
        "Install the extra that the message names.",
    )

    CREDENTIALS_REFUSED = (
        "RF-201",
        "RainFocus does not accept the credentials.",
        (
            "Check `client_id`, `client_secret`, `environment`, `token_url` and "
            "`token_auth_method`, or `api_profile`. RainFocus lists them under Integration Suite > "
            "API Profiles."
        ),
    )
    TOKEN_URL = (
        "RF-202",
        "What answers at `token_url` gives out no tokens.",
        "Ask RainFocus for the address that goes with your API profile: the default is assumed.",
    )
    TOKEN_REFUSED = (
        "RF-203",
        "RainFocus does not accept the access token, also not a new one.",
        "Check that the credentials and `environment` belong together.",
    )
    ENDPOINT_DENIED = (
        "RF-204",
        "The API profile may not use the call (code 124).",
        "Enable the endpoint that the message names under Integration Suite > API Profiles.",
    )
    PARAMETER = (
        "RF-205",
        "A required parameter is missing, or belongs to another environment (code 103).",
        "Check `org_id`, `environment`, the event code, `event_parameter` and the credentials.",
    )
    FORBIDDEN = (
        "RF-206",
        "RainFocus forbids the request (HTTP 403).",
        "Check the API profile's rights, and its list of allowed IP addresses.",
    )
    NO_SUCH_ADDRESS = (
        "RF-207",
        "There is no such address, or it does not take the call (HTTP 404, 405).",
        (
            "Check `api_url` (it ends in `/api`), `environment`, `org_id`, and that your RainFocus "
            "has the call; `endpoints` of the tap and `store` of the target can name another."
        ),
    )
    EVENT_CODE = (
        "RF-208",
        "RainFocus refuses all that is of an event: most likely there is no such event.",
        "Check the event codes, and that the API profile may use the event.",
    )
    CATALOGUE = (
        "RF-209",
        "A public catalogue is refused, or is that of another event.",
        (
            "Look up `rfApiProfileId` and `rfWidgetId` again in a browser's network view, on the "
            "page of the catalogue, and set `catalogue_profile_id` and `catalogue_widget_id`; the "
            "host there is that of `api_url`."
        ),
    )

    UNREACHABLE = (
        "RF-301",
        "RainFocus cannot be reached, or the connection broke.",
        "Check `api_url`, `token_url`, `environment` and the network; run again later.",
    )
    TIMEOUT = (
        "RF-302",
        "RainFocus did not answer in time.",
        "Run again later, or allow more with `request_timeout`.",
    )
    BUSY = (
        "RF-303",
        "RainFocus is busy or out of order, and was so after all retries.",
        "Run again later; `requests_per_second` asks for less, `max_retries` waits longer.",
    )
    CERTIFICATE = (
        "RF-304",
        "The certificate of the other end is not one that is trusted here.",
        (
            "Check `api_url`. If your network has its own certificates, name their file in the "
            "variable that the message names."
        ),
    )
    TLS = (
        "RF-305",
        "No encrypted connection could be agreed on.",
        "Check `api_url` and `token_url`: host, port, and that it is https.",
    )
    PROXY_CREDENTIALS = (
        "RF-306",
        "The proxy wants to know who is asking.",
        "Give it user name and password: `http://user:password@host:port`.",
    )
    PROXY_FORBIDS = (
        "RF-307",
        "The proxy does not let the connection through.",
        "Have the host allowed, or name it in `NO_PROXY`.",
    )
    PROXY_UNREACHABLE = (
        "RF-308",
        "The proxy cannot be reached, or cannot connect.",
        "Check the variable that names it, and `NO_PROXY`.",
    )

    UNEXPECTED_REPLY = (
        "RF-401",
        "RainFocus answered in a way that it is not known for: perhaps it is not RainFocus.",
        "Check `api_url` and `environment`.",
    )
    NOT_JSON = (
        "RF-402",
        "An answer is not a JSON object, after all retries.",
        "Check `api_url`: a login page, or a proxy, may answer in RainFocus' place.",
    )
    REFUSED = (
        "RF-403",
        "RainFocus refused this one request or profile.",
        "Look the code in the message up in RainFocus' API log; mend the record and replay it.",
    )
    NO_RECORDS_KEY = (
        "RF-404",
        "An answer holds no list of records where it is looked for.",
        "Name its key in `endpoints` (`records_key`).",
    )
    PAGES = (
        "RF-405",
        "The pages of an answer make no sense: a page comes again, or a cursor is none.",
        "Run again. If it stays so, tell RainFocus, with the call that the message names.",
    )
    EMPTY_PAGE = (
        "RF-406",
        "RainFocus stopped in the middle of the pages, a sign of throttling.",
        "Run again later, or set `requests_per_second`.",
    )
    CATALOGUE_FLOOR = (
        "RF-407",
        (
            "A public catalogue gave less than `catalogue_floor` allows, of what it announces or "
            "of what the last run had; nothing was written and no state moved."
        ),
        (
            "Look at the catalogue's page. If it really has become so small, set `catalogue_floor` "
            "lower for one run; if it gives no more, divide it with `catalogue_search`."
        ),
    )

    NOT_SINGER = (
        "RF-501",
        "A line of the input is no Singer message, or there is none at all.",
        "Check the command before the pipe: it must write Singer messages and nothing else.",
    )
    BATCH = (
        "RF-502",
        "The input holds BATCH messages, which name files.",
        "Take `batch_config` out of the extractor's settings.",
    )
    NO_SCHEMA = (
        "RF-503",
        "A record came before the schema of its stream, or the schema lost its columns.",
        "Check the extractor.",
    )
    NO_KEY = (
        "RF-504",
        "A record lacks a column that its stream has as a key.",
        "Check the extractor, and that the key is selected.",
    )
    NOTHING_LOADED = (
        "RF-505",
        "Nothing in the input could be loaded; no state was written.",
        (
            "Name the e-mail column in `field_map`, correct `streams`, or, if such a run may end "
            "well, set `unmapped_streams` to skip."
        ),
    )
    NOT_STORED = (
        "RF-506",
        "Records were not stored, and are in no file, or all of them were not.",
        (
            "Set `rejects_path`, mend the records there and replay the file with `--input`. The "
            "message has the reasons."
        ),
    )
    TOO_MANY_REJECTS = (
        "RF-507",
        "More records than `max_rejects` allows were not stored.",
        (
            "Look at the reasons in the message: what has changed in the source? Mend it, and run "
            "again. Records in the file of `rejects_path` do not come again by themselves: mend "
            "and replay them."
        ),
    )
    FOREIGN_REJECTS = (
        "RF-508",
        "The input holds rejects of another event or organisation.",
        "Replay them with its settings, or set `replay_elsewhere` if they belong here now.",
    )
    NOTHING_KEPT = (
        "RF-509",
        "Nothing is kept of this person where it was looked for.",
        "Check the address or id, and that the settings name all places.",
    )
    TOO_FEW_RECORDS = (
        "RF-510",
        "The input had fewer records than `min_records`; no state was written.",
        "Look at the query behind it: an empty list is mostly a broken one.",
    )
    NO_ID = (
        "RF-521",
        "Reject: the record does not say who it is about.",
        "Fill the column of the identity in, or take the record out.",
    )
    NO_EMAIL = (
        "RF-522",
        "Reject: what should be an e-mail address is none.",
        "Correct the address.",
    )
    HASH_FOR_EMAIL = (
        "RF-523",
        "Reject: the e-mail address is a hash, and `identity` is email.",
        "Send addresses, or set `identity` to email_lc_sha256.",
    )
    LOST_DIGITS = (
        "RF-524",
        "Reject: an id was made a rounded number, as spreadsheets do.",
        "Export the column as text.",
    )
    BAD_VALUE = (
        "RF-525",
        "Reject: a value cannot be used, and `validation` is strict.",
        (
            "Correct the value of the field that is named, or set `validation` to lenient, which "
            "leaves such values out."
        ),
    )
    DELETED = (
        "RF-541",
        "Filtered: the record was deleted upstream.",
        "Nothing: such records are not sent.",
    )
    NO_CONSENT = (
        "RF-542",
        "Filtered: the record does not say that its person may be sent.",
        "Check `consent_field` and `consent_values` if it should.",
    )
    MAPPED_AWAY = (
        "RF-543",
        "Filtered: a stream map drops the record.",
        "Check `__filter__` in `stream_maps` if it should not.",
    )
    NOT_LOADED = (
        "RF-544",
        "Filtered: the record is of a stream that is not loaded.",
        "Check `streams`, or name the column of the identity in `field_map`, if it should be.",
    )
    STALE = (
        "RF-551",
        (
            "Unchanged: a newer record of the person came before, or one that said that they are "
            "not to be sent; so this one was not sent."
        ),
        "Nothing, unless the older values are wanted: then load them without the ledger.",
    )

    FILE = (
        "RF-601",
        "A file cannot be read or written.",
        "Check that its folder is there, who may write it, and that its disk has room.",
    )
    CLOSED_PIPE = (
        "RF-602",
        "The next command in the pipe ended early.",
        "See its messages.",
    )
    NO_OUTPUT = (
        "RF-603",
        "Standard output is closed.",
        "Start the command with somewhere to write to.",
    )
    DISK = (
        "RF-604",
        "A database cannot be written: its disk is full, or out of order.",
        "Make room on it.",
    )
    LOCK = (
        "RF-605",
        "Another process holds a database, or a person's data in it.",
        "Try again when it has ended.",
    )
    DATABASE = (
        "RF-606",
        "A database cannot be read or written now.",
        "See the reason in brackets in the message; check the setting that names the database.",
    )
    DATABASE_URL = (
        "RF-607",
        "The setting that names a database cannot be used.",
        (
            "Give a SQLAlchemy URL, such as `sqlite:///ledger.db`, of a database that can be "
            "written; for PostgreSQL install the extra postgres."
        ),
    )
    OPEN_TO_OTHERS = (
        "RF-608",
        "A database with personal data can be opened by other users of the machine.",
        "Have its owner run `chmod o=` on the file.",
    )

    PORT = (
        "RF-701",
        "The receiver cannot listen where it should.",
        "Set another host or port, or stop what is there.",
    )
    RUNS_ALREADY = (
        "RF-702",
        "Another receiver, or another start or stop of it, is under way.",
        "Stop it, then start it; or try again.",
    )
    RECEIVER_ENDED = (
        "RF-703",
        "The receiver ended, or did not answer or end in time.",
        "See what it said last; allow more with `--wait`.",
    )
    PUSH_FILE = (
        "RF-704",
        "A file of pushes or of a state cannot be used.",
        "Give the file as the message says.",
    )
    NO_SUCH_MESSAGE = (
        "RF-705",
        "The inbox has no such message.",
        "See `rainfocus-receiver list`.",
    )

    UNEXPECTED = (
        "RF-901",
        "A fault of this program.",
        "Set `LOGLEVEL=debug`, run again, and report what is shown: it holds no records.",
    )
    SIGNAL = (
        "RF-902",
        "A signal ended the run; what was on its way was finished, and the state is right.",
        "Run again to go on.",
    )


def with_code(text: str, trouble: Trouble) -> str:
    """A message with its code at the end, unless it ends with one already."""
    return text if _CODE.search(text) else f"{text} [{trouble.code}]"
