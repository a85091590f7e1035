from lab_support.pools import PoolSettings


async def pool_options(**service):
    try:
        pools = service["workers"] * service["engines"]
        share = (service["max_connections"] - service["reserved"]) // pools
    except ZeroDivisionError as error:
        raise ValueError("There are no pools.") from error
    pool = PoolSettings(size=share if share < 10 else 10, max_overflow=0, timeout_s=2)
    return {
        "pool_size": pool.size,
        "max_overflow": pool.max_overflow,
        "pool_timeout": pool.timeout_s,
        "pool_pre_ping": pool.pre_ping,
    }
