from collections import Counter
from datetime import datetime

from bson import Decimal128, Int64, ObjectId

NAMES = {
    int: "int",
    Int64: "long",
    float: "double",
    Decimal128: "decimal",
    str: "string",
    bool: "bool",
    datetime: "date",
    list: "array",
    dict: "object",
    ObjectId: "objectId",
    type(None): "null",
    type(...): "missing",
}


async def drift_report(collection):
    documents = [document async for document in collection.find()]
    fields = {field for document in documents for field in document}
    counts = Counter(
        (field, NAMES[type(document.get(field, ...))]) for document in documents for field in fields
    )
    return [{"field": field, "type": kind, "count": count} for (field, kind), count in counts.items()]
