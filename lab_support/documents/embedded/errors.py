"""What the server answers when it refuses: a code, its name and a sentence, as MongoDB's error table has them."""

from __future__ import annotations

from typing import Any, Final

BAD_VALUE = 2
FAILED_TO_PARSE = 9
TYPE_MISMATCH = 14
OVERFLOW = 15
PATH_NOT_VIABLE = 28
CONFLICTING_UPDATE_OPERATORS = 40
DOLLAR_PREFIXED_FIELD_NAME = 52
INVALID_ID_FIELD = 53
EMPTY_FIELD_NAME = 56
IMMUTABLE_FIELD = 66
DOCUMENT_VALIDATION_FAILURE = 121
CANNOT_INDEX_PARALLEL_ARRAYS = 171
NOT_IMPLEMENTED = 238
BSON_OBJECT_TOO_LARGE = 10334
DUPLICATE_KEY = 11000
REGEX_TOO_EXPENSIVE = 51156

CODE_NAMES: Final = {
    1: "InternalError",
    BAD_VALUE: "BadValue",
    FAILED_TO_PARSE: "FailedToParse",
    13: "Unauthorized",
    TYPE_MISMATCH: "TypeMismatch",
    OVERFLOW: "Overflow",
    17: "ProtocolError",
    20: "IllegalOperation",
    26: "NamespaceNotFound",
    27: "IndexNotFound",
    PATH_NOT_VIABLE: "PathNotViable",
    CONFLICTING_UPDATE_OPERATORS: "ConflictingUpdateOperators",
    43: "CursorNotFound",
    48: "NamespaceExists",
    50: "MaxTimeMSExpired",
    DOLLAR_PREFIXED_FIELD_NAME: "DollarPrefixedFieldName",
    INVALID_ID_FIELD: "InvalidIdField",
    EMPTY_FIELD_NAME: "EmptyFieldName",
    59: "CommandNotFound",
    IMMUTABLE_FIELD: "ImmutableField",
    67: "CannotCreateIndex",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    115: "CommandNotSupported",
    DOCUMENT_VALIDATION_FAILURE: "DocumentValidationFailure",
    CANNOT_INDEX_PARALLEL_ARRAYS: "CannotIndexParallelArrays",
    197: "InvalidIndexSpecificationOption",
    NOT_IMPLEMENTED: "NotImplemented",
    BSON_OBJECT_TOO_LARGE: "BSONObjectTooLarge",
    DUPLICATE_KEY: "DuplicateKey",
}


class CommandError(Exception):
    """A refusal that goes to the client as a command error or as one entry of `writeErrors`.

    Attributes:
        code: MongoDB's number for this kind of error.
        message: The sentence sent as `errmsg`.
        details: Further fields of the answer: `errInfo`, `keyPattern`, `keyValue`.
    """

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def code_name(self) -> str:
        """MongoDB's name for the code; codes without a name are called `Location` and their number."""
        return CODE_NAMES.get(self.code, f"Location{self.code}")

    def as_reply(self) -> dict[str, Any]:
        """The answer to a command that failed."""
        return {
            "ok": 0.0,
            "errmsg": self.message,
            "code": self.code,
            "codeName": self.code_name,
            **self.details,
        }

    def as_write_error(self, index: int) -> dict[str, Any]:
        """The entry of `writeErrors` for the write with this number in its batch."""
        return {"index": index, "code": self.code, "errmsg": self.message, **self.details}


def not_implemented(what: str) -> CommandError:
    """Code 238: this server does not do `what`; a real server may."""
    sentence = f"The embedded server does not support {what}. Set LAB_MONGODB_URL to use a real MongoDB."
    return CommandError(NOT_IMPLEMENTED, sentence)
