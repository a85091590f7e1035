import asyncio

import httpx

NOTHING = object()


async def fetch(client, path, deadline_s):
    try:
        answer = await asyncio.wait_for(client.get(path), deadline_s)
        if answer.status_code == 404:
            return None
        return answer.json() if answer.status_code == 200 else NOTHING
    except (TimeoutError, httpx.HTTPError, ValueError):
        return NOTHING


async def order_page(order_id, clients, deadline_s):
    calls = (fetch(client, f"/{name}/{order_id}", deadline_s) for name, client in clients.items())
    found = dict(zip(clients, await asyncio.gather(*calls)))
    return {
        "order_id": order_id,
        "parts": {name: None if part is NOTHING else part for name, part in found.items()},
        "missing": [name for name, part in found.items() if part is NOTHING],
    }
