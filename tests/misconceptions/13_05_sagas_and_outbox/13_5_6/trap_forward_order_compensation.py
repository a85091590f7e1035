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
            else:
                saga.step += 1
                if saga.step == len(steps):
                    saga.state = "COMPLETED"
            await session.commit()
        if saga.state == "COMPENSATING":
            undone = saga.data.get("undone", 0)
            for number in range(undone, saga.step + 1):
                await steps[number].compensation(saga_id)
                saga.data = {"undone": number + 1}
                await session.commit()
            saga.state = "COMPENSATED"
            await session.commit()
        return saga.state
