async def mongo_options(budget_s, max_connections):
    return dict(timeoutMS=int(1000 * budget_s), maxPoolSize=max_connections, maxIdleTimeMS=60_000)
