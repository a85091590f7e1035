import logging

from lab_support.pools import problem


def install_errors(app):
    @app.exception_handler(Exception)
    async def answer(request, error):
        logging.getLogger("shop").error("unexpected: %s", type(error).__name__)
        return problem(500, "Internal server error")
