from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools import Trouble, problem, trouble_behind


def install_errors(app):
    async def answer(request, error):
        if trouble_behind(error) is Trouble.TIMED_OUT:
            return problem(504)
        if isinstance(error, (SQLAlchemyError, OSError)):
            return problem(503, headers={"Retry-After": "1"})
        return problem(500)

    for family in (SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(family, answer)
