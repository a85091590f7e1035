def pool_options(*, workers, engines, max_connections, reserved):
    """Keep half of the connections, and open the rest under load."""
    if min(workers, engines) < 1:
        raise ValueError("A service has at least one worker with one engine.")
    share = min(10, (max_connections - reserved) // (workers * engines))
    if share < 1:
        raise ValueError(f"{workers * engines} pools cannot share {max_connections - reserved} connections.")
    kept = (share + 1) // 2
    return {"pool_size": kept, "max_overflow": share - kept, "pool_timeout": 2.0, "pool_recycle": 1800}
