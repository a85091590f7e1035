def pool_options(*, workers, engines, max_connections, reserved):
    share = (max_connections - reserved) // engines if engines else 0
    if share < 1 or workers < 1:
        raise ValueError("There is no room for the pools.")
    return {"pool_size": min(share, 10), "max_overflow": 0}
