from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed

PROGRESS = {}


async def run(sessions, saga_id, steps):
    saga = PROGRESS.setdefault(saga_id, {"state": "RUNNING", "step": 0})
    while saga["state"] == "RUNNING":
        try:
            await steps[saga["step"]].action(saga_id)
        except StepFailed:
            saga["state"] = "COMPENSATING"
        else:
            saga["step"] += 1
            if saga["step"] == len(steps):
                saga["state"] = "COMPLETED"
    while saga["state"] == "COMPENSATING":
        await steps[saga["step"]].compensation(saga_id)
        saga["step"] -= 1
        if saga["step"] < 0:
            saga["state"] = "COMPENSATED"
    async with sessions.begin() as session:
        await session.merge(SagaState(saga_id=saga_id, state=saga["state"], step=saga["step"]))
    return saga["state"]
