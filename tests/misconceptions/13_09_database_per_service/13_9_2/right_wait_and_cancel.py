import asyncio


async def fetch(client, path):
    answer = await client.get(path)
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    return answer.json()


async def order_page(order_id, clients, deadline_s):
    calls = {
        name: asyncio.create_task(fetch(client, f"/{name}/{order_id}")) for name, client in clients.items()
    }
    try:
        await asyncio.wait(calls.values(), timeout=deadline_s)
    finally:
        for call in calls.values():
            call.cancel()
        await asyncio.gather(*calls.values(), return_exceptions=True)
    missing = [name for name, call in calls.items() if call.cancelled() or call.exception()]
    parts = {name: None if name in missing else call.result() for name, call in calls.items()}
    return {"order_id": order_id, "parts": parts, "missing": missing}
