"""A small catalogue to begin with: products of three kinds, and a history of older versions for 13.8.

Section:
    13.7, "From the application to a document"; 13.8, "Schema versions: upcast on read, backfill in the background"
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from bson import Decimal128, ObjectId
from pymongo.errors import BulkWriteError

from lab_support.documents.types import Collection, Document
from lab_support.services.catalog.dtos import BookWrite, MonitorWrite, ResolutionWrite, TShirtWrite
from lab_support.services.catalog.mapping import AnyWrite, new_product

PRODUCTS: Final[tuple[AnyWrite, ...]] = (
    MonitorWrite(
        kind="monitor",
        sku="MON-27",
        name="Clear 27",
        price="349.00",  # type: ignore[arg-type]
        diagonal_inches=27.0,
        resolution=ResolutionWrite(width=3840, height=2160),
        refresh_hz=60,
    ),
    TShirtWrite(
        kind="tshirt",
        sku="TEE-1-M",
        name="Plain tee",
        price="14.90",  # type: ignore[arg-type]
        size="M",
        colour="green",
    ),
    BookWrite(
        kind="book",
        sku="BOOK-1",
        name="Notes on engines",
        price="24.00",  # type: ignore[arg-type]
        isbn="9781234567897",
        authors=["A. Lovelace", "C. Babbage"],
    ),
)


PRODUCT_IDS: Final = MappingProxyType(
    {
        "MON-27": ObjectId("6955b9000000000000000006"),
        "TEE-1-M": ObjectId("6955b9000000000000000007"),
        "BOOK-1": ObjectId("6955b9000000000000000008"),
    }
)
"""The same in every catalogue, because the demo data of Orders names them, too."""


async def seed(products: Collection) -> None:
    """Fill the catalogue if it is empty; two processes that do it at once fill it once."""
    if await products.find_one({}) is not None:
        return
    documents = [
        new_product(one, id_=PRODUCT_IDS[one.sku]).model_dump(by_alias=True, exclude_none=True)
        for one in PRODUCTS
    ]
    try:
        await products.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any(one["code"] != 11000 for one in error.details["writeErrors"]):
            raise  # a duplicate is another process's seed


def old_documents(number: int) -> list[Document]:
    """Make documents as versions 1 and 2 wrote them, for lessons and tests; the validator of today refuses them."""
    return [_old(count) for count in range(number)]


def _old(count: int) -> Document:
    first = count % 2 == 0
    money: Any = 10.1 + count if first else Decimal128(f"{10 + count}.10")
    common: Document = {"sku": f"OLD-{count}", "price": money, "title" if first else "name": f"Old {count}"}
    if not first:
        common["schema_version"] = 2
    kinds: tuple[Document, ...] = (
        {"kind": "monitor", "diagonal_inches": 24.0, "resolution": "1920x1080", "stand": "wooden"},
        {"kind": "book", "isbn": f"978{count:010}", "author": "Somebody", "pages": 100 + count},
        {"kind": "tshirt", "size": "L", "colour": "red"},
    )
    return common | kinds[count % 3]
