from lab_support.exercises.s13_08.e3_tighten import CONTACT_SCHEMA

BREAKS = {"$nor": [{"$jsonSchema": CONTACT_SCHEMA}]}


async def apply_rules(database, level):
    await database.command(
        {
            "collMod": "contacts",
            "validator": {"$jsonSchema": CONTACT_SCHEMA},
            "validationLevel": level,
            "validationAction": "error",
        }
    )


async def begin(database):
    await apply_rules(database, "strict")


async def mend(database):
    contacts = database["contacts"]
    await contacts.update_many({"age": {"$type": "null"}}, {"$unset": {"age": ""}})
    await contacts.update_many({"visits": {"$exists": False}}, {"$set": {"visits": 0}})
    async for contact in contacts.find({"age": {"$type": "string", "$regex": "^[0-9]+$"}}):
        as_read = {"_id": contact["_id"], "age": contact["age"]}
        await contacts.update_one(as_read, {"$set": {"age": int(contact["age"])}})


async def finish(database):
    left = await database["contacts"].count_documents(BREAKS)
    if left == 0:
        await apply_rules(database, "strict")
    return left
