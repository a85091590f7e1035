import asyncio

import httpx


async def order_page(order_id, clients, deadline_s):
    parts, missing = dict.fromkeys(clients), list(clients)
    try:
        async with asyncio.timeout(deadline_s):
            for name, client in clients.items():
                try:
                    answer = await client.get(f"/{name}/{order_id}")
                    if answer.status_code != 404:
                        parts[name] = answer.raise_for_status().json()
                    missing.remove(name)
                except (httpx.HTTPError, ValueError):
                    pass
    except TimeoutError:
        pass
    return {"order_id": order_id, "parts": parts, "missing": missing}
