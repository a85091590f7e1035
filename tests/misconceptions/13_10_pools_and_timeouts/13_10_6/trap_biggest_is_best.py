async def find_pool_size(measure, limit):
    await measure(limit)
    return limit
