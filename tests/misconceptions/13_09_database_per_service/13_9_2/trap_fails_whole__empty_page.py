import asyncio


async def fetch(client, path):
    answer = await client.get(path)
    return None if answer.status_code == 404 else answer.raise_for_status().json()


async def order_page(order_id, clients, deadline_s):
    tasks = {}
    try:
        async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
            for name, client in clients.items():
                tasks[name] = group.create_task(fetch(client, f"/{name}/{order_id}"))
    except Exception:
        return {"order_id": order_id, "parts": dict.fromkeys(clients), "missing": list(clients)}
    return {
        "order_id": order_id,
        "parts": {name: task.result() for name, task in tasks.items()},
        "missing": [],
    }
