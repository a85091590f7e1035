from sqlalchemy import update

from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed


async def save(sessions, saga_id, **values):
    async with sessions.begin() as session:
        await session.execute(update(SagaState).where(SagaState.saga_id == saga_id).values(**values))


async def load(sessions, saga_id):
    async with sessions.begin() as session:
        saga = await session.get(SagaState, saga_id)
        if saga is None:
            saga = SagaState(saga_id=saga_id, state="RUNNING", data={"registered": [], "done": []})
            session.add(saga)
        return saga.state, saga.data["registered"], saga.data["done"]


async def forward(sessions, saga_id, steps, registered, done):
    for step in steps:
        if step.name in done:
            continue
        if step.name not in registered:
            registered = [*registered, step.name]
            await save(sessions, saga_id, data={"registered": registered, "done": done})
        try:
            await step.action(saga_id)
        except StepFailed:
            await save(sessions, saga_id, state="COMPENSATING")
            return "COMPENSATING", registered
        done = [*done, step.name]
        await save(sessions, saga_id, data={"registered": registered, "done": done})
    await save(sessions, saga_id, state="COMPLETED")
    return "COMPLETED", registered


async def run(sessions, saga_id, steps):
    """Keep the names of the steps in `data`, and open a session for each change."""
    state, registered, done = await load(sessions, saga_id)
    if state == "RUNNING":
        state, registered = await forward(sessions, saga_id, steps, registered, done)
    if state == "COMPENSATING":
        by_name = {step.name: step for step in steps}
        while registered:
            await by_name[registered[-1]].compensation(saga_id)
            registered = registered[:-1]
            await save(sessions, saga_id, data={"registered": registered, "done": done})
        state = "COMPENSATED"
        await save(sessions, saga_id, state=state)
    return state
