def pool_options(*, workers, engines, max_connections, reserved):
    pools = workers * engines
    if pools < 1 or max_connections - reserved < pools:
        raise ValueError("There is no room for the pools.")
    return {"pool_size": 0, "max_overflow": min((max_connections - reserved) // pools, 10)}
