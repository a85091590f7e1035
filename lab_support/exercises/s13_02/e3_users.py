"""13.2.3: password in, hash stored, judged by searching everywhere for a word nobody could foresee."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import app_of, in_words, send
from lab_support.exercises.s13_02.accounts import AccountsBase, User
from lab_support.exercises.story import Answer, Story
from lab_support.services.web import install_http_errors

users = Exercise(
    id="13.2.3",
    title="Users and their passwords",
    task="Register users so that nobody, not even you, can find out a password afterwards.",
    student_writes=("UserCreate", "verify_password", "users"),
    witness="answers",
    hints=(
        "Follow the password from the request to the table. Where could somebody read it, or its hash, on the way?",
        "`SecretStr` hides itself in repr() and logs; argon2's `PasswordHasher` draws a salt for every hash; a "
        "response model that names its fields shows no others.",
        "hasher = PasswordHasher()\n"
        "password_hash = hasher.hash(user.password.get_secret_value())\n"
        "try: return hasher.verify(password_hash, password)\n"
        "except Argon2Error: return False",
    ),
    misconceptions=(
        Misconception(
            "unsalted-sha256",
            "You believe that a fast hash protects a password. Without a salt, equal passwords have equal hashes, and "
            "a graphics card tries billions a second: use argon2, which salts each hash and is slow on purpose.",
            lambda seen: seen.hashes_equal and not seen.word_in_row and seen.argon2 is False,
        ),
        Misconception(
            "plain-text",
            "You believe that the table is private. Backups, logs and one SQL injection show it to others: store "
            "argon2's hash, and verify against that.",
            lambda seen: seen.word_in_row is True,
        ),
        Misconception(
            "hash-in-response",
            "You believe that a hash may be shown, because it is no password. It lets anybody guess offline, as fast "
            "as their machines can: show user_id, email and user_name only.",
            lambda seen: seen.hash_shown is True,
        ),
    ),
)


class Overheard(logging.Handler):
    """Every log record and every printed line while it listens."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.printed = io.StringIO()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a record says, its traceback included."""
        self._lines.append(self.format(record))

    @property
    def text(self) -> str:
        """All that was said."""
        return "\n".join([*self._lines, self.printed.getvalue()])


@contextmanager
def overheard() -> Iterator[Overheard]:
    """Listen to logs of every level, and to what is printed, while the block runs."""
    root, ears = logging.getLogger(), Overheard()
    level, others = root.level, root.handlers[:]
    root.handlers[:] = [ears]
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(ears.printed), redirect_stderr(ears.printed):
            yield ears
    finally:
        root.setLevel(level)
        root.handlers[:] = others


@users.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one request to an application with the student's router; return the answer and what was logged."""
    app = app_of(attempt, attempt.the("users"))
    install_http_errors(app)  # as the shop does: FastAPI's own 422 repeats what was sent
    with overheard() as heard:
        answer = await send(attempt, app, method, path, body)
    return {**answer, "logged": heard.text}


@users.act
async def speak(attempt: Attempt, body: dict[str, Any]) -> list[str]:
    """Return how the student's UserCreate shows itself when it is printed."""
    user = attempt.the("UserCreate").model_validate_json(json.dumps(body))
    return [repr(user), str(user)]


@users.act
async def verify(attempt: Attempt, password: str, password_hash: str) -> bool | str:
    """Ask the student's function whether a password belongs to a hash."""
    verdict = attempt.the("verify_password")(password, password_hash)
    return verdict if isinstance(verdict, bool) else repr(verdict)


async def http(story: Story, word: str, method: str, path: str, body: Any = None) -> Answer:
    """Ask over HTTP, and search table, answer, log and statements for the word; the answer for hashes, too."""
    call = in_words(method, path, body)
    answer = await story.ask(request, call=call, method=method, path=path, body=body)
    rows = await story.rows(select(User.__table__))
    in_rows = any(word in str(value) for row in rows for value in row.values())
    hashes = [row["password_hash"] for row in rows if row["password_hash"]]
    hash_shown = any(one in answer["text"] for one in hashes) and not in_rows
    story.saw(word_in_row=in_rows or story.seen.word_in_row, hash_shown=hash_shown or story.seen.hash_shown)
    story.expect(not in_rows, "The password stands in the table.", observed=rows)
    story.expect(not hash_shown, "The answer shows the password's hash.", observed=answer["text"])
    statements = " ".join(str(one["parameters"]) for one in answer.events)
    for where, said in (("answer", answer["text"]), ("SQL", statements), ("log", answer["logged"])):
        story.expect(word not in said, f"The password stands in the {where}.",
                     expected="no trace of it", observed=around(said, word))  # fmt: skip
    return answer


def around(text: str, word: str) -> str:
    """Cut out the place where a word stands."""
    place = max(text.find(word), 0)
    return text[max(place - 60, 0) : place + len(word) + 20]


def a_user(story: Story, word: str) -> dict[str, str]:
    """Draw what somebody sends to register."""
    number = story.random.randint(1, 10**6)
    return {"email": f"u{number}@shop.example", "user_name": f"Ann {number}", "password": word}


def a_word(story: Story) -> str:
    """Draw a password."""
    return f"correct-horse-{story.random.randint(10**9, 10**10)}"


@users.scenario("registering shows the user and nothing secret")
async def registers(story: Story) -> None:
    await story.create(AccountsBase.metadata)
    word = a_word(story)
    body = a_user(story, word)
    answer = await http(story, word, "POST", "/users", body)
    story.equal(answer["status"], 201, "Registering does not answer 201 Created.")
    wanted = {name: body[name] for name in ("email", "user_name")} | {"user_id": answer["json"]["user_id"]}
    story.equal(answer["json"], wanted, "The answer is not the user.")
    path = f"/users/{answer['json']['user_id']}"
    found = await http(story, word, "GET", path)
    story.equal((found["status"], found["json"]), (200, wanted), f"GET {path} does not show the user.")
    nobody = await http(story, word, "GET", f"{path}{story.random.randint(1, 9)}")
    story.equal(nobody["status"], 404, "An unknown id is not answered with 404.")


@users.scenario("two users with the same password have different hashes, and both verify", points=2)
async def hashes_differ(story: Story) -> None:
    await story.create(AccountsBase.metadata)
    word = a_word(story)
    for _ in range(2):
        answer = await http(story, word, "POST", "/users", a_user(story, word))
        story.equal(answer["status"], 201, "Registering does not answer 201 Created.")
    hashes = [row["password_hash"] for row in await story.rows(select(User.password_hash))]
    story.saw(hashes_equal=len(hashes) == 2 and len(set(hashes)) == 1, argon2=hashes[0].startswith("$argon2"))
    story.equal(len(set(hashes)), 2, "Two users with the same password do not have two different hashes.")
    for one in hashes:
        story.expect(belongs(one, word), "What is stored is not argon2's hash of the password.",
                     expected="$argon2id$…", observed=one)  # fmt: skip


@users.scenario("only the right password verifies")
async def verifies(story: Story) -> None:
    word, other = a_word(story), a_word(story)
    password_hash = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(word)
    for said, tried, wanted in (
        ("the password", word, True),
        ("another", other, False),
        ("nothing", "", False),
    ):
        answer = await story.ask(
            verify,
            call=f"verify_password({said}, the password's hash)",
            password=tried,
            password_hash=password_hash,
        )
        story.equal(answer.value, wanted, "The wrong answer to whether a password belongs to a hash.")


@users.scenario("a request does not show its password, however it is printed")
async def requests_keep_secrets(story: Story) -> None:
    word = a_word(story)
    answer = await story.ask(speak, call="repr(UserCreate(...))", body=a_user(story, word))
    for shown in answer.value:
        story.expect(word not in shown, "UserCreate shows the password.",
                     expected="'**********'", observed=around(shown, word))  # fmt: skip


@users.scenario("a taken e-mail is 409, a short password 422, and neither is stored")
async def refuses(story: Story) -> None:
    await story.create(AccountsBase.metadata)
    word, other = a_word(story), a_word(story)
    body = a_user(story, word)
    await http(story, word, "POST", "/users", body)
    taken = await http(story, other, "POST", "/users", body | {"user_name": "Bob", "password": other})
    story.equal(taken["status"], 409, "A taken e-mail is not answered with 409 Conflict.")
    short = f"{story.random.randint(10**7, 10**8)}abc"[:11]
    refused = await http(story, short, "POST", "/users", a_user(story, short))
    story.equal(refused["status"], 422, "A password of 11 characters is not answered with 422.")
    rows = await story.rows(select(User.email, User.user_name))
    wanted = [{name: body[name] for name in ("email", "user_name")}]
    story.equal(rows, wanted, "The table does not hold exactly the one user who registered.")


def belongs(password_hash: str, word: str) -> bool:
    """Whether argon2 itself says that the hash is the word's."""
    try:
        return PasswordHasher().verify(password_hash, word)
    except (Argon2Error, ValueError):
        return False
