from lab_support.documents.versions import UnknownVersionError


async def find_customer(customers, customer_id):
    stored = await customers.find_one({"_id": customer_id})
    if stored is None or stored.get("schema_version") == 3:
        return stored
    version = stored.get("schema_version", 1)
    if version not in (1, 2):
        raise UnknownVersionError(customer_id, version, 3)
    if version == 1:
        first, _, last = stored["name"].rpartition(" ")
    else:
        first, last = stored["first_name"], stored["last_name"]
    return {
        "_id": customer_id,
        "number": stored["number"],
        "schema_version": 3,
        "first_name": first,
        "last_name": last,
        "phones": [stored["phone"]] if stored.get("phone") else [],
    }
