from lab_support.documents.versions import UnknownVersionError


async def find_customer(customers, customer_id):
    stored = await customers.find_one({"_id": customer_id})
    if stored is None:
        return None
    version = stored.get("schema_version", 1)
    if version not in (1, 2, 3):
        raise UnknownVersionError(customer_id, version, 3)
    customer = dict(stored)
    if version < 2:
        first, _, last = customer.pop("name").rpartition(" ")
        customer |= {"first_name": first, "last_name": last}
    if version < 3:
        phone = customer.pop("phone", None)
        customer["phones"] = [] if phone is None else [phone]
    customer["schema_version"] = 3
    if version < 3:
        await customers.update_one(
            {"_id": customer_id}, {"$set": customer, "$unset": {"name": "", "phone": ""}}
        )
    return customer
