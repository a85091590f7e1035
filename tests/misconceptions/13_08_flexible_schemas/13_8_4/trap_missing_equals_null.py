async def drift_report(collection):
    pairs = [
        {"$project": {"fields": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$fields"},
        {
            "$group": {
                "_id": {"field": "$fields.k", "type": {"$type": "$fields.v"}},
                "count": {"$sum": 1},
            }
        },
    ]
    rows = [group["_id"] | {"count": group["count"]} async for group in collection.aggregate(pairs)]
    documents = await collection.count_documents({})
    for field in sorted({row["field"] for row in rows}):
        missing = documents - sum(row["count"] for row in rows if row["field"] == field)
        null = next((row for row in rows if row["field"] == field and row["type"] == "null"), None)
        if null is not None:
            null["count"] += missing
        elif missing:
            rows.append({"field": field, "type": "null", "count": missing})
    return rows
