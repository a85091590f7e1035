from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools import Trouble, problem, trouble_behind


def install_errors(app):
    async def answer(request: Request, error: Exception):
        trouble = trouble_behind(error)
        if trouble is None:
            return problem(500)
        if trouble is Trouble.TIMED_OUT:
            return problem(504, "The database is too slow")
        return problem(503, "The database is away", headers={"Retry-After": "3"})

    for family in (SQLAlchemyError, OSError, Exception):
        app.exception_handler(family)(answer)
