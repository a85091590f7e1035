"""The table of well-known errors.

Every row is proved by a test that provokes the error on the real library: `tests/workbook/provocations.py`.
"""

from __future__ import annotations

from lab_support.workbook.explanations import looks
from lab_support.workbook.explanations.matching import KnownError

__all__ = ["KNOWN_ERRORS", "KnownError"]

INVALID_REQUEST = "sqlalchemy.exc.InvalidRequestError"
UNAWAITED = r"coroutine '.*' was never awaited|'coroutine'|(got|type) coroutine|coroutine object"
OPERATIONAL = ("sqlalchemy.exc.OperationalError", "sqlite3.OperationalError")

SESSION_ERRORS = (
    KnownError(
        "missing-greenlet",
        ("sqlalchemy.exc.MissingGreenlet",),
        "An attribute that was not loaded, or had expired at commit, was read where no query may run.",
        "Set `expire_on_commit=False` in the session factory; load relations in the query (`selectinload`).",
    ),
    KnownError(
        "detached-instance",
        ("sqlalchemy.orm.exc.DetachedInstanceError",),
        "The object's session is closed, so what it had not loaded yet can't be fetched any more.",
        "Load it while the session is open (`selectinload`); set `expire_on_commit=False` in the factory.",
    ),
    KnownError(
        "pending-rollback",
        ("sqlalchemy.exc.PendingRollbackError",),
        "An earlier flush or statement of this session failed; it refuses all work until a rollback.",
        "Call `await session.rollback()` where you handle that first error, and mend the first error.",
    ),
    KnownError(
        "concurrent-session",
        (
            "sqlalchemy.exc.IllegalStateChangeError",
            INVALID_REQUEST,
            "sqlalchemy.exc.InterfaceError",
            "asyncpg.exceptions._base.InterfaceError",
        ),
        "Two tasks used one session (or connection) at the same time, which it can't do.",
        "Open one session per task: inside the function that you hand to `gather` or to a TaskGroup.",
        says=r"concurrent operations|can't be called here|already flushing|another operation is in progress",
    ),
    KnownError(
        "already-begun",
        (INVALID_REQUEST,),
        "A transaction has begun already: any query opens one by itself, and `begin()` came after it.",
        "Use `async with session.begin():` before any query, or no `begin()` and `await session.commit()`.",
        says=r"transaction is already begun|already initialized a SQLAlchemy Transaction",
    ),
    KnownError(
        "multiple-results",
        ("sqlalchemy.exc.MultipleResultsFound",),
        "The query found several rows where the code allows one at most.",
        "Ask by something unique (primary key, unique column), or take the list: `.scalars().all()`.",
    ),
    KnownError(
        "no-result",
        ("sqlalchemy.exc.NoResultFound",),
        "The query found no row where the code demands one.",
        "Use `scalar_one_or_none()` and decide what a missing row means: in an API it is a 404.",
    ),
    KnownError(
        "integrity",
        (
            "sqlalchemy.exc.IntegrityError",
            "sqlite3.IntegrityError",
            "asyncpg.exceptions.IntegrityConstraintViolationError",
        ),
        "A constraint of the table refused the row: {reason}",
        "Roll back and correct the data; catch IntegrityError only where it has a meaning (taken: 409).",
    ),
    KnownError(
        "table-defined-twice",
        (INVALID_REQUEST,),
        "The table `{table}` is declared already: its cell was run a second time on the same Base.",
        "Run the cell that declares `Base` first, then this one again; or restart the kernel.",
        says=r"Table '(?P<table>[^']+)' is already defined for this MetaData",
    ),
)

ENGINE_ERRORS = (
    KnownError(
        "pool-exhausted",
        ("sqlalchemy.exc.TimeoutError",),
        "All connections of the pool ({size} + {overflow} overflow) stayed in use for {seconds} s.",
        "Find the session that is never closed (`async with` closes it), then think of the size; see 13.10.",
        says=r"limit of size (?P<size>\d+) overflow (?P<overflow>-?\d+) reached.*timeout (?P<seconds>[\d.]+)",
    ),
    KnownError(
        "busy-snapshot",
        OPERATIONAL,
        "This transaction read first and another one wrote since: SQLite refuses its write at once.",
        "Roll back and run the whole unit of work again, or begin writers with BEGIN IMMEDIATE; see 13.4.",
        says=r"database is locked",
        look=looks.is_busy_snapshot,
    ),
    KnownError(
        "database-locked",
        OPERATIONAL,
        "Another connection is writing to this SQLite file and did not finish within the busy timeout.",
        "Commit or close the other session (a stopped cell may hold it: restart the kernel); see 13.4.",
        says=r"database (table |schema )?is locked",
        look=looks.is_plain_lock,
    ),
    KnownError(
        "no-such-table",
        OPERATIONAL,
        "This database has no table `{table}`: not created here, or `:memory:` gave a second, empty one.",
        "Run `await create_tables(engine, Base.metadata)` on this engine, and use a file, not `:memory:`.",
        says=r"no such table: (?P<table>\S+)",
    ),
    KnownError(
        "connection-refused",
        (
            "builtins.OSError",
            "sqlalchemy.exc.OperationalError",
            "pymysql.err.OperationalError",
            "pymongo.errors.ConnectionFailure",
        ),
        "No server answers at that address: it is not running, or host or port is wrong.",
        "Run `lab doctor`, then start the server or correct its LAB_ URL; without a URL none is needed.",
        says=r"(?i)connect call failed|connection refused|can't connect to mysql server",
    ),
    KnownError(
        "driver-missing",
        ("builtins.ModuleNotFoundError",),
        "The URL asks for the driver `{module}`, which is not installed in this environment.",
        "{advice}.",
        look=looks.is_missing_driver,
    ),
    KnownError(
        "driver-not-async",
        (INVALID_REQUEST,),
        "The URL names the driver `{driver}`, which is not asynchronous, and this engine is.",
        "Name an asynchronous driver in the URL: sqlite+aiosqlite, postgresql+asyncpg or mysql+aiomysql.",
        says=r"requires an async driver to be used\. The loaded '(?P<driver>[^']+)'",
    ),
)

PYTHON_ERRORS = (
    KnownError(
        "unawaited-coroutine",
        ("builtins.RuntimeWarning", "builtins.AttributeError", "builtins.TypeError"),
        "An `async def` function was called without `await`: a coroutine came back, and nothing has run.",
        "Write `await` before the call; to go on with its result: `(await session.execute(query)).all()`.",
        says=UNAWAITED,
        unless=r"coroutine '(Connection|Cursor)\.",
    ),
    KnownError(
        "task-cell-not-run",
        ("builtins.NameError",),
        "The name `{name}` does not exist yet: {cell} did not run since the kernel started, or failed.",
        "Run that cell, then this one again; after a restart: menu Run > Run All Above Selected Cell.",
        look=looks.is_unrun_cell,
    ),
    KnownError(
        "wrong-loop",
        ("builtins.RuntimeError",),
        "Something made in one event loop (an engine, a lock, a task) was used in another one.",
        "Make the engine in the loop that uses it: only `await` in cells, no `asyncio.run`, no thread.",
        says=r"attached to a different loop|bound to a different event loop",
    ),
    KnownError(
        "loop-already-running",
        ("builtins.RuntimeError",),
        "A notebook runs an event loop already, and a second one can't be started inside it.",
        "Write `await main()` in the cell instead of `asyncio.run(main())`.",
        says=r"cannot be called from a running event loop|event loop is already running",
    ),
)

KNOWN_ERRORS: tuple[KnownError, ...] = SESSION_ERRORS + ENGINE_ERRORS + PYTHON_ERRORS
