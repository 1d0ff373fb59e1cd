"""The inbox's tables."""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa

TABLES = sa.MetaData()

MOST_ROWS = 2**62
"""More than any inbox has."""

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ROWS = sa.Table(
    "rainfocus_inbox",
    TABLES,
    sa.Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("flow_id", sa.Text),
    sa.Column("transmission_id", sa.Text),
    sa.Column("readable", sa.Boolean, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

sa.Index(
    "rainfocus_inbox_unreadable",
    ROWS.c.sequence,
    sqlite_where=~ROWS.c.readable,
    postgresql_where=~ROWS.c.readable,
)

SEQUENCE = sa.Table(
    "rainfocus_inbox_sequence",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", _NUMBER, nullable=False),
)

IDENTITY = sa.Table(
    "rainfocus_inbox_identity",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.String(32), nullable=False),
)


@sa.event.listens_for(SEQUENCE, "after_create")
def _begin_at_zero(_: sa.Table, connection: sa.Connection, **__: object) -> None:
    connection.execute(sa.insert(SEQUENCE), {"id": 1, "last": 0})


@sa.event.listens_for(IDENTITY, "after_create")
def _make_one(_: sa.Table, connection: sa.Connection, **__: object) -> None:
    connection.execute(sa.insert(IDENTITY), {"id": 1, "identity": uuid4().hex})
