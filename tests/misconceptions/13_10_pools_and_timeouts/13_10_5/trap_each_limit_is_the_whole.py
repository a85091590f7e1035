def mongo_options(*, budget_s, max_connections):
    ms = int(budget_s * 1000)
    limits = "serverSelectionTimeoutMS waitQueueTimeoutMS connectTimeoutMS socketTimeoutMS".split()
    return dict.fromkeys(limits, ms) | {
        "maxPoolSize": max_connections,
        "retryReads": False,
        "retryWrites": False,
    }
