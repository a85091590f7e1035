def mongo_options(*, budget_s, max_connections):
    return {
        "serverSelectionTimeoutMS": int(budget_s * 1000),
        "connectTimeoutMS": int(budget_s * 1000),
        "maxPoolSize": max_connections,
        "retryReads": False,
        "retryWrites": False,
    }
