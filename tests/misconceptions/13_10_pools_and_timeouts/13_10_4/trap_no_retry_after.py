from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools import Trouble, problem, trouble_behind

STATUS = {Trouble.TIMED_OUT: 504, None: 500}


def install_errors(app):
    async def answer(request, error):
        return problem(STATUS.get(trouble_behind(error), 503))

    for family in (SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(family, answer)
