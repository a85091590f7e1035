def mongo_options(*, budget_s, max_connections):
    """Every wait has its share, and nothing is tried again."""
    ms = budget_s * 1000
    return {
        "serverSelectionTimeoutMS": int(0.25 * ms),
        "waitQueueTimeoutMS": int(0.15 * ms),
        "connectTimeoutMS": int(0.15 * ms),
        "socketTimeoutMS": int(0.45 * ms),
        "maxPoolSize": max_connections,
        "retryReads": False,
        "retryWrites": False,
    }
