"""One place for every URL and limit, read from environment variables that begin with `LAB_`.

Section:
    13.1, "Drivers and URLs: the same cells on three databases"
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def workbook_root(start: Path | None = None) -> Path:
    """Find the workbook's folder: the nearest one upwards that holds both `labs` and `notebooks`.

    Falls back to the folder that holds the package, then to the current folder.
    """
    here = (start or Path.cwd()).resolve()
    package_home = Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents, package_home):
        if (folder / "labs").is_dir() and (folder / "notebooks").is_dir():
            return folder
    return here


class Settings(BaseSettings):
    """What the workbook and its application can be told from outside.

    A missing database URL means "embedded": a SQLite file in `data`, and PostgreSQL from the wheel in the box.
    """

    model_config = SettingsConfigDict(env_prefix="LAB_", extra="ignore")

    home: Path | None = Field(
        None, description="folder for progress and embedded servers; default <workbook>/.lab"
    )
    data: Path | None = Field(
        None, description="folder for the application's own files; default a temporary one"
    )
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the store's database")
    orders_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the Orders service's database")
    customers_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the Customers service's database"
    )
    payments_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the Payments service's database"
    )
    inventory_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the Inventory service's database"
    )
    gateway_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the gateway's database, which holds its read model"
    )
    orders_at: AnyHttpUrl | None = Field(None, description="where the gateway finds Orders over HTTP")
    customers_at: AnyHttpUrl | None = Field(None, description="where the gateway finds Customers over HTTP")
    payments_at: AnyHttpUrl | None = Field(None, description="where the gateway finds Payments over HTTP")
    inventory_at: AnyHttpUrl | None = Field(None, description="where the gateway finds Inventory over HTTP")
    catalog_at: AnyHttpUrl | None = Field(None, description="where the gateway finds the catalogue over HTTP")
    gateway_deadline_s: float = Field(
        2.0, gt=0, le=60, description="longest time the gateway takes for an answer, in seconds"
    )
    mongodb_url: SecretStr | None = Field(
        None, description="mongodb://…; default the embedded server, its documents beside the data"
    )
    mongodb_driver: Literal["motor", "pymongo"] = Field(
        "motor", description="Motor, or its successor AsyncMongoClient"
    )
    bus_url: SecretStr | None = Field(
        None, description="amqp://… (RabbitMQ) or nats://…; default the embedded bus, a file beside the data"
    )
    bus_namespace: str = Field(
        "lab",
        pattern=r"^[A-Za-z0-9_]{1,40}$",
        description="begins all names on a broker, so that several shops can share it; letters, digits and _",
    )
    coordination: Literal["choreography", "orchestration"] = Field(
        "choreography", description="how new orders are coordinated"
    )
    relay: bool = Field(True, description="whether the application publishes; else run `lab relay`")
    order_deadline_s: float = Field(
        30.0, gt=0, description="an order that stays open longer fails, in seconds"
    )
    provider_seed: int | None = Field(
        None, description="lets the simulated payment provider decline and time out, as this number decides"
    )
    demo_data: bool = Field(True, description="fill empty tables with a few customers, products and prices")
    postgres_url: SecretStr | None = Field(
        None, description="a PostgreSQL to judge on instead of the one in the box"
    )
    mariadb_url: SecretStr | None = Field(None, description="a MariaDB for scratch databases")
    pool_size: int = Field(5, ge=1, le=200, description="connections kept open by each engine")
    max_overflow: int = Field(10, ge=0, le=200, description="connections opened beyond pool_size under load")
    pool_timeout_s: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="longest wait for a free connection, in seconds"
    )
    pool_recycle_s: int = Field(
        1800, gt=0, description="age after which a connection is replaced at its next use, in seconds"
    )
    pool_pre_ping: bool = Field(True, description="whether a connection is tried before each use")
    pool_trace: bool = Field(False, description="whether the calls that led to each checkout are kept")
    workers: int = Field(
        1, ge=1, le=1000, description="processes that run each service; their pools add up at the server"
    )
    connect_timeout_s: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="longest time until a new connection stands, in seconds"
    )
    statement_timeout_s: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="longest time of one statement, in seconds"
    )
    lock_timeout_s: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="longest wait for somebody's lock, in seconds"
    )
    request_limit_s: float = Field(
        60.0,
        gt=0,
        allow_inf_nan=False,
        description="the most time that a request gets or may ask for, in seconds",
    )

    @property
    def lab_home(self) -> Path:
        """The folder for progress, embedded servers and run folders."""
        return self.home or workbook_root() / ".lab"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the environment once per process.

    Raises:
        pydantic.ValidationError: A variable has a value that makes no sense.
    """
    return Settings()
