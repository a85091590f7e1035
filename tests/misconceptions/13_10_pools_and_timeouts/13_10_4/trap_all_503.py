from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools import problem


def install_errors(app):
    async def unavailable(request, error):
        return problem(503, "The database is not available", headers={"Retry-After": "1"})

    async def unexpected(request, error):
        return problem(500)

    app.add_exception_handler(SQLAlchemyError, unavailable)
    app.add_exception_handler(OSError, unavailable)
    app.add_exception_handler(Exception, unexpected)
