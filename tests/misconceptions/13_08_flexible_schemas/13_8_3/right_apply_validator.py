from lab_support.documents.validators import Validator, apply_validator
from lab_support.exercises.s13_08.e3_tighten import CONTACT_SCHEMA


def number(contact):
    mended = {"visits": 0} | contact
    if contact.get("age", 0) is None:
        del mended["age"]
    elif "age" in contact and isinstance(contact["age"], str) and contact["age"].isdigit():
        mended["age"] = int(contact["age"])
    return mended


async def begin(database):
    await apply_validator(database, "contacts", Validator(schema=CONTACT_SCHEMA, level="moderate"))


async def mend(database):
    async for contact in database["contacts"].find({}):
        mended = number(contact)
        if mended != contact:
            await database["contacts"].replace_one(contact, mended)


async def finish(database):
    wrong = await database["contacts"].find({"$nor": [{"$jsonSchema": CONTACT_SCHEMA}]}).to_list(None)
    if not wrong:
        await apply_validator(database, "contacts", Validator(schema=CONTACT_SCHEMA))
    return len(wrong)
