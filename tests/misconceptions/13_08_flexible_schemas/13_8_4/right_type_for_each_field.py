async def drift_report(collection):
    names = [
        {"$project": {"pair": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$pair"},
        {"$group": {"_id": "$pair.k"}},
    ]
    rows = []
    async for name in collection.aggregate(names):
        kinds = [{"$group": {"_id": {"$type": f"${name['_id']}"}, "n": {"$sum": 1}}}]
        async for kind in collection.aggregate(kinds):
            rows.append({"field": name["_id"], "type": kind["_id"], "count": kind["n"]})
    return rows
