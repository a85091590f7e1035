"""Passwords in, argon2id hashes out; what is stored can be checked and not be read back.

Section:
    13.2, "Passwords"
"""

from __future__ import annotations

import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's second choice: 19 MiB and two passes for each hash, so that concurrent sign-ups don't exhaust the memory.
_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(plain: str) -> str:
    """Hash a password with a salt of its own; equal passwords get different hashes.

    It takes some 30 ms of one processor: asynchronous code calls it with `asyncio.to_thread`.
    """
    return _hasher.hash(_one_spelling(plain))


def verify_password(plain: str, hashed: str) -> bool:
    """Tell whether the hash was made of this password; a text that is no argon2 hash was not.

    It costs as much as `hash_password`, whatever the answer.
    """
    try:
        return _hasher.verify(hashed, _one_spelling(plain))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _one_spelling(plain: str) -> str:
    """Join what keyboards write differently: `é` as one character, or as a letter and an accent."""
    return unicodedata.normalize("NFKC", plain)
