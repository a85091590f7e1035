from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed


async def run(sessions, saga_id, steps):
    async with sessions() as session:
        saga = await session.get(SagaState, saga_id)
        await session.commit()
        if saga is not None:
            return saga.state
        begun, state = [], "COMPLETED"
        for step in steps:
            begun.append(step)
            try:
                await step.action(saga_id)
            except StepFailed:
                state = "COMPENSATED"
                break
        if state == "COMPENSATED":
            for step in reversed(begun):
                await step.compensation(saga_id)
        session.add(SagaState(saga_id=saga_id, state=state))
        await session.commit()
        return state
