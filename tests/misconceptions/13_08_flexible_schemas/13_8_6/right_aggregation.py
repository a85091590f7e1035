async def skus(products, *stages):
    return {product["sku"] async for product in products.aggregate([*stages, {"$project": {"sku": 1}}])}


async def never_asked(products):
    return await skus(products, {"$match": {"$expr": {"$eq": [{"$type": "$warranty"}, "missing"]}}})


async def without_warranty(products):
    return await skus(products, {"$match": {"warranty": {"$exists": True, "$in": [None]}}})


async def heavier_than(products, grams):
    number = {"$convert": {"input": "$weight", "to": "decimal", "onError": 0, "onNull": 0}}
    return await skus(products, {"$set": {"number": number}}, {"$match": {"number": {"$gt": grams}}})
