"""Run by a test in a process of its own: changes rows, says how far it is, and waits to be killed."""

import asyncio
import sys

from database_tables import Counter, Mark
from sqlalchemy import update

from lab_support.database import build_engine, session_factory, unit_of_work


async def main(url: str, moment: str) -> None:
    async with unit_of_work(session_factory(build_engine(url))) as uow:
        await uow.session.execute(update(Counter).where(Counter.id == 1).values(value=Counter.value - 1))
        uow.session.add(Mark(counter_id=1))
        await uow.flush()
        if moment == "after commit":
            await uow.commit()
        print(moment, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
