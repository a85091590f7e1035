async def never_asked(products):
    return [product["sku"] async for product in products.find({"warranty": {"$exists": False}})]


async def without_warranty(products):
    return [product["sku"] async for product in products.find({"warranty": {"$type": "null"}})]


async def heavier_than(products, grams):
    found = products.find({"$or": [{"weight": {"$gt": grams}}, {"weight": {"$gt": str(grams)}}]})
    return [product["sku"] async for product in found]
