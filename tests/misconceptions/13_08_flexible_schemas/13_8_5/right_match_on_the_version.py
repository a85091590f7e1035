from lab_support.documents.versions import UnknownVersionError


async def find_customer(customers, customer_id):
    async for stored in customers.find({"_id": customer_id}).limit(1):
        match stored.get("schema_version", 1):
            case 1:
                first, last = ("", *stored["name"].rsplit(" ", 1))[-2:]
                stored.update(first_name=first, last_name=last)
                del stored["name"]
            case 2 | 3:
                pass
            case version:
                raise UnknownVersionError(customer_id, version, 3)
        if "phones" not in stored:
            stored["phones"] = [phone for phone in [stored.pop("phone", None)] if phone is not None]
        stored["schema_version"] = 3
        return stored
    return None
