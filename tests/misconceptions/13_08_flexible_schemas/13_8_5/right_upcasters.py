from lab_support.documents.versions import Upcasters

UPCASTERS = Upcasters()


@UPCASTERS.step
def split_the_name(customer):
    *first, last = customer.pop("name").split(" ")
    customer["first_name"], customer["last_name"] = " ".join(first), last
    return customer


@UPCASTERS.step
def list_the_phones(customer):
    phone = customer.pop("phone", None)
    customer["phones"] = [phone] if phone else []
    return customer


async def find_customer(customers, customer_id):
    stored = await customers.find_one({"_id": customer_id})
    return None if stored is None else UPCASTERS.upcast(stored)
