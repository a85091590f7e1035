import asyncio


async def fetch(client, path):
    answer = await client.get(path)
    return None if answer.status_code == 404 else answer.raise_for_status().json()


async def order_page(order_id, clients, deadline_s):
    async with asyncio.timeout(deadline_s):
        found = await asyncio.gather(
            *(fetch(client, f"/{name}/{order_id}") for name, client in clients.items())
        )
    return {"order_id": order_id, "parts": dict(zip(clients, found)), "missing": []}
