async def never_asked(products):
    return [product["sku"] async for product in products.find({"warranty": {"$exists": False}})]


async def without_warranty(products):
    return [product["sku"] async for product in products.find({"warranty": {"$type": "null"}})]


async def heavier_than(products, grams):
    found = products.find({"weight": {"$gt": grams}})
    return [product["sku"] async for product in found]
