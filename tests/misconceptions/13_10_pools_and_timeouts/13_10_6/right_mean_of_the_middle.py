async def find_pool_size(measure, limit):
    def middle(rates):
        inner = sorted(rates)[2:-2]
        return sum(inner) / len(inner)

    best = {}
    for size in range(limit, 0, -1):
        best[size] = middle([(await measure(size)).throughput for _ in range(7)])
    return max(best, key=best.get)
