async def never_asked(products):
    return [product["sku"] async for product in products.find({"warranty": {"$exists": False}})]


async def without_warranty(products):
    return [product["sku"] async for product in products.find({"warranty": None})]


async def heavier_than(products, grams):
    number = {"$convert": {"input": "$weight", "to": "double", "onError": None, "onNull": None}}
    found = products.find({"$expr": {"$gt": [number, grams]}})
    return [product["sku"] async for product in found]
