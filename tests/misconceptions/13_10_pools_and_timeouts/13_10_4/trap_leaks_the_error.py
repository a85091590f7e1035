from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools import Trouble, problem, trouble_behind


def install_errors(app):
    async def answer(request, error):
        trouble = trouble_behind(error)
        if trouble is None:
            return problem(500, detail=str(error))
        if trouble is Trouble.TIMED_OUT:
            return problem(504, "Too slow", str(error))
        return problem(503, "Unavailable", str(error), headers={"Retry-After": "1"})

    for family in (SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(family, answer)
