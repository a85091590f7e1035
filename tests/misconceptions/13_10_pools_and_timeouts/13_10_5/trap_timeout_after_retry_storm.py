def mongo_options(*, budget_s, max_connections):
    quarter = int(budget_s * 1000 / 4)
    return {
        "serverSelectionTimeoutMS": quarter,
        "waitQueueTimeoutMS": quarter,
        "connectTimeoutMS": quarter,
        "socketTimeoutMS": quarter,
        "maxPoolSize": max_connections,
    }
