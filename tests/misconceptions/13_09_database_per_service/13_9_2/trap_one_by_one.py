import asyncio

import httpx


async def order_page(order_id, clients, deadline_s):
    parts, missing = {}, []
    for name, client in clients.items():
        parts[name] = None
        try:
            answer = await asyncio.wait_for(client.get(f"/{name}/{order_id}"), deadline_s)
            if answer.status_code != 404:
                parts[name] = answer.raise_for_status().json()
        except (TimeoutError, httpx.HTTPError, ValueError):
            missing.append(name)
    return {"order_id": order_id, "parts": parts, "missing": missing}
