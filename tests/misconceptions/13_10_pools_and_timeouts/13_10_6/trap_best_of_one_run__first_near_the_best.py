async def find_pool_size(measure, limit):
    found = {size: (await measure(size)).throughput for size in range(1, limit + 1)}
    return min(size for size in found if found[size] >= 0.95 * max(found.values()))
