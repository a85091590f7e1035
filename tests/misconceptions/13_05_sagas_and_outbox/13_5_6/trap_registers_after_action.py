from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed


async def run(sessions, saga_id, steps):
    async with sessions() as session:
        saga = await session.get(SagaState, saga_id)
        if saga is None:
            saga = SagaState(saga_id=saga_id, state="RUNNING", step=0)
            session.add(saga)
        await session.commit()
        while saga.state == "RUNNING":
            try:
                await steps[saga.step].action(saga_id)
            except StepFailed:
                saga.state = "COMPENSATING"
                saga.step -= 1  # this one failed, so there is nothing to undo
            else:
                saga.step += 1
                if saga.step == len(steps):
                    saga.state = "COMPLETED"
            await session.commit()
        while saga.state == "COMPENSATING":
            if saga.step >= 0:
                await steps[saga.step].compensation(saga_id)
                saga.step -= 1
            if saga.step < 0:
                saga.state = "COMPENSATED"
            await session.commit()
        return saga.state
