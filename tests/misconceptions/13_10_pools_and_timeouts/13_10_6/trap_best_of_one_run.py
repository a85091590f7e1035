async def find_pool_size(measure, limit):
    runs = [await measure(size) for size in range(1, limit + 1)]
    return max(runs, key=lambda run: run.throughput).size
