from statistics import median


async def find_pool_size(measure, limit):
    """Stop as soon as three more connections have brought nothing."""

    async def typical(size):
        return median([(await measure(size)).throughput for _ in range(5)])

    best, reached, tried = 1, await typical(1), 1
    while tried < limit and tried - best < 3:
        tried += 1
        found = await typical(tried)
        if found > 1.02 * reached:
            best, reached = tried, found
    return best
