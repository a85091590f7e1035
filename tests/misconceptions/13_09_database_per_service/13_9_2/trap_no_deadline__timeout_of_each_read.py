import asyncio


async def fetch(client, path, deadline_s):
    answer = await client.get(path, timeout=deadline_s)
    return None if answer.status_code == 404 else answer.raise_for_status().json()


async def order_page(order_id, clients, deadline_s):
    calls = (fetch(client, f"/{name}/{order_id}", deadline_s) for name, client in clients.items())
    found = dict(zip(clients, await asyncio.gather(*calls, return_exceptions=True)))
    missing = [name for name, part in found.items() if isinstance(part, Exception)]
    parts = {name: None if name in missing else part for name, part in found.items()}
    return {"order_id": order_id, "parts": parts, "missing": missing}
