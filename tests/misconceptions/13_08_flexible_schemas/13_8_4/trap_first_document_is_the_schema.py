async def drift_report(collection):
    first = await collection.find_one({})
    rows = []
    for field in first:
        counted = [{"$group": {"_id": {"$type": f"${field}"}, "count": {"$sum": 1}}}]
        async for group in collection.aggregate(counted):
            rows.append({"field": field, "type": group["_id"], "count": group["count"]})
    return rows
