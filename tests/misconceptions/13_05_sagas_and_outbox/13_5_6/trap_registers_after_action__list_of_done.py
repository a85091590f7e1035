from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed


async def run(sessions, saga_id, steps):
    async with sessions() as session:
        saga = await session.get(SagaState, saga_id)
        if saga is None:
            saga = SagaState(saga_id=saga_id, state="RUNNING", data={"done": []})
            session.add(saga)
        await session.commit()
        for step in steps[len(saga.data["done"]) :]:
            if saga.state != "RUNNING":
                break
            try:
                await step.action(saga_id)
            except StepFailed:
                saga.state = "COMPENSATING"
            else:
                saga.data = {"done": [*saga.data["done"], step.name]}
            await session.commit()
        if saga.state == "RUNNING":
            saga.state = "COMPLETED"
            await session.commit()
        while saga.state == "COMPENSATING":
            if saga.data["done"]:
                await steps[len(saga.data["done"]) - 1].compensation(saga_id)
                saga.data = {"done": saga.data["done"][:-1]}
            else:
                saga.state = "COMPENSATED"
            await session.commit()
        return saga.state
