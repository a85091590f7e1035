from bson import Decimal128


async def never_asked(products):
    return [p["sku"] async for p in products.find() if "warranty" not in p]


async def without_warranty(products):
    return [p["sku"] async for p in products.find({"warranty": None}) if "warranty" in p]


def number(value):
    try:
        return float(value.to_decimal() if isinstance(value, Decimal128) else value)
    except (TypeError, ValueError):
        return 0.0


async def heavier_than(products, grams):
    asked = products.find({"weight": {"$type": ["number", "string"]}})
    return [p["sku"] async for p in asked if number(p["weight"]) > grams]
