"""The anomalies: the five that are taught, and those which the Hermitage tests add.

Each begins with row 1 = 10 and row 2 = 20.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

from lab_support.database.isolation.scripts import (
    Anomaly,
    Parameters,
    Seen,
    Step,
    commits,
    counts,
    reads,
    rolls_back,
    sums,
    writes,
)

DIRTY_WRITE = Anomaly(
    "G0",
    "dirty write",
    "T2 overwrites what T1 has not committed yet, and the rows end up half T1's and half T2's.",
    (
        writes("T1", 1, 11),
        writes("T2", 1, 12),
        writes("T2", 2, 22),
        commits("T2"),
        writes("T1", 2, 21),
        commits("T1"),
    ),
    lambda seen: dict(seen.rows) not in ({1: 11, 2: 21}, {1: 12, 2: 22}),
)
DIRTY_READ = Anomaly(
    "G1a",
    "dirty read",
    "T2 reads a value that T1 then takes back: it never existed.",
    (writes("T1", 1, 101), reads("T2", 1), rolls_back("T1"), commits("T2")),
    lambda seen: 101 in seen.reads["T2"],
)
INTERMEDIATE_READ = Anomaly(
    "G1b",
    "intermediate read",
    "T2 reads a value that T1 replaces before it commits: it was never meant to be seen.",
    (writes("T1", 1, 101), reads("T2", 1), writes("T1", 1, 11), commits("T1"), commits("T2")),
    lambda seen: 101 in seen.reads["T2"],
)
CIRCULAR_FLOW = Anomaly(
    "G1c",
    "circular information flow",
    "T1 sees what T2 wrote and T2 sees what T1 wrote: neither can have come first.",
    (
        writes("T1", 1, 11),
        writes("T2", 2, 22),
        reads("T1", 2),
        reads("T2", 1),
        commits("T1"),
        commits("T2"),
    ),
    lambda seen: 22 in seen.reads["T1"] and 11 in seen.reads["T2"],
)
VANISHING_TRANSACTION = Anomaly(
    "OTV",
    "observed transaction vanishes",
    "T3 sees one row as T2 is about to leave it and the other as T1 left it: half of T1 has vanished.",
    (
        writes("T1", 1, 11),
        writes("T1", 2, 19),
        writes("T2", 1, 12),
        commits("T1"),
        reads("T3", 1),
        reads("T3", 2),
        writes("T2", 2, 18),
        commits("T2"),
        commits("T3"),
    ),
    lambda seen: tuple(seen.reads["T3"]) == (12, 19),
)
NON_REPEATABLE_READ = Anomaly(
    "P2",
    "non-repeatable read",
    "T1 reads the same row twice and finds two values.",
    (reads("T1", 1), writes("T2", 1, 11), commits("T2"), reads("T1", 1), commits("T1")),
    lambda seen: len(set(seen.reads["T1"])) > 1,
)
PHANTOM = Anomaly(
    "P3",
    "phantom",
    "T1 asks the same question twice, and the second time a new row answers too.",
    (
        counts("T1", 5),
        Step("T2", "INSERT INTO {table} (id, value) VALUES (3, 30)"),
        commits("T2"),
        counts("T1", 5),
        commits("T1"),
    ),
    lambda seen: len(set(seen.reads["T1"])) > 1,
)
MISSED_BY_A_DELETE = Anomaly(
    "PMP",
    "predicate-many-preceders",
    "T1 adds 10 to each row; before and after it some row is 20, yet T2's DELETE of the 20s finds none.",
    (
        Step("T1", "UPDATE {table} SET value = value + 10"),
        Step("T2", "DELETE FROM {table} WHERE value = 20"),
        commits("T1"),
        commits("T2"),
    ),
    lambda seen: dict(seen.rows) == {1: 20, 2: 30},
)


def _one_more(read: int) -> Parameters:
    return {"value": read + 1}


def _two_more(read: int) -> Parameters:
    return {"value": read + 2}


LOST_UPDATE = Anomaly(
    "P4",
    "lost update",
    "T1 and T2 read 10, T1 writes 10 + 1 and T2 writes 10 + 2: one addition is gone.",
    (
        reads("T1", 1),
        reads("T2", 1),
        Step("T1", "UPDATE {table} SET value = :value WHERE id = 1", _one_more),
        Step("T2", "UPDATE {table} SET value = :value WHERE id = 1", _two_more),
        commits("T1"),
        commits("T2"),
    ),
    lambda seen: seen.rows[1] != 13,
)
READ_SKEW = Anomaly(
    "G-single",
    "read skew",
    "T1 reads row 1 before T2 moves 2 from one row to the other, and row 2 after: the sum is wrong.",
    (
        reads("T1", 1),
        writes("T2", 1, 12),
        writes("T2", 2, 18),
        commits("T2"),
        reads("T1", 2),
        commits("T1"),
    ),
    lambda seen: sum(seen.reads["T1"]) != 30,
)


def _while_it_suffices(total: int) -> Parameters | None:
    return {} if total >= 20 else None


WRITE_SKEW = Anomaly(
    "G2-item",
    "write skew",
    "Each sees a total of 30 and takes 20 from a row of its own: together they take more than there is.",
    (
        sums("T1"),
        sums("T2"),
        Step("T1", "UPDATE {table} SET value = value - 20 WHERE id = 1", _while_it_suffices),
        Step("T2", "UPDATE {table} SET value = value - 20 WHERE id = 2", _while_it_suffices),
        commits("T1"),
        commits("T2"),
    ),
    lambda seen: sum(seen.rows.values()) < 0,
)


def _while_there_is_none(number: int) -> Parameters | None:
    return {} if number == 0 else None


def _large_rows(seen: Seen) -> int:
    return sum(value >= 30 for value in seen.rows.values())


PHANTOM_WRITE_SKEW = Anomaly(
    "G2",
    "write skew on a predicate",
    "There may be one large row; each sees none and adds one, so there are two.",
    (
        counts("T1", 30),
        counts("T2", 30),
        Step("T1", "INSERT INTO {table} (id, value) VALUES (3, 30)", _while_there_is_none),
        Step("T2", "INSERT INTO {table} (id, value) VALUES (4, 40)", _while_there_is_none),
        commits("T1"),
        commits("T2"),
    ),
    lambda seen: _large_rows(seen) > 1,
)

ANOMALIES = (
    DIRTY_WRITE,
    DIRTY_READ,
    INTERMEDIATE_READ,
    CIRCULAR_FLOW,
    VANISHING_TRANSACTION,
    NON_REPEATABLE_READ,
    PHANTOM,
    MISSED_BY_A_DELETE,
    LOST_UPDATE,
    READ_SKEW,
    WRITE_SKEW,
    PHANTOM_WRITE_SKEW,
)
