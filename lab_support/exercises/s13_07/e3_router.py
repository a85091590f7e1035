"""13.7.3: the CRUD router on documents, judged by its answers over HTTP and by the documents behind them."""

from __future__ import annotations

from typing import Any

from bson import Decimal128, ObjectId

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import send
from lab_support.exercises.s13_07.served import app_on, asking
from lab_support.exercises.s13_07.shop import COLLECTION, a_product, amount, new_id, shown
from lab_support.exercises.story import Story

MOST_SHOWN = 100

router = Exercise(
    id="13.7.3",
    title="The CRUD router",
    task="Serve products over HTTP from a collection: create, read, list, change and delete.",
    student_writes=("router",),
    witness="rows",
    hints=(
        "Take the routes one at a time. Which status, which document afterwards, what does the driver's result say, "
        "and what if the id is not there, or is no id?",
        '`update_one({"_id": id}, {"$set": patch.model_dump(exclude_unset=True)})` tells `matched_count` and '
        "`modified_count`. They differ when nothing changes. `find_one_and_update(…, "
        "return_document=ReturnDocument.AFTER)` gives the stored document, or None.",
        'found = await products.find_one_and_update({"_id": id}, {"$set": changes}, '
        "return_document=ReturnDocument.AFTER)\n"
        'if found is None: raise HTTPException(404, "There is no such product.")\n'
        'listed = await products.find().sort("_id").limit(limit).to_list(limit)  # limit: Query(ge=1, le=100)',
    ),
    misconceptions=(
        Misconception(
            "404-when-unchanged",
            "You believe that nothing modified means nothing found. A PATCH with the value that is stored already "
            "matches one document and modifies none: ask matched_count, or find_one_and_update.",
            lambda seen: seen.unchanged_status == 404,
        ),
        Misconception(
            "replaces-instead-of-sets",
            "You believe that a PATCH is the new document. What was not sent, and what your models do not know, is "
            "gone from the collection: use $set with model_dump(exclude_unset=True).",
            lambda seen: seen.lost_by_patch,
        ),
        Misconception(
            "returns-mutated-input",
            "You believe that what you inserted is what you answer. insert_one wrote an `_id` into your dict, and "
            "BSON types are no JSON: build the answer with ProductRead.model_validate(…).",
            lambda seen: seen.answered_the_insert is True,
        ),
        Misconception(
            "unbounded-to-list",
            "You believe that a collection stays small. to_list(None) loads all of it into your memory: "
            "Query(ge=1, le=100), and .limit(limit).",
            lambda seen: (seen.largest_page or 0) > MOST_SHOWN,
        ),
    ),
)


@router.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one HTTP request to an application that serves the student's router."""
    return await send(attempt, app_on(attempt, attempt.the("router")), method, path, body)


http = asking(request)


def _opened(story: Story) -> Any:
    """Return the collection, with the index that makes its SKUs unique."""
    products = story.documents[COLLECTION]
    products.create_index("sku", unique=True)
    return products


@router.scenario("POST creates a product, shows it and says where it is", on="mongodb")
async def creates(story: Story) -> None:
    products = _opened(story)
    sku, price = f"DESK-{story.random.randint(1, 10**6)}", str(amount(story.random))
    body = {"sku": sku, "name": f"desk {story.random.randint(1, 10**6)}", "price": price, "stock": 7}
    answer = await http(story, "POST", "/products", body)
    told, behind = answer["json"] or {}, answer.unhandled.text if answer.unhandled else ""
    story.saw(answered_the_insert="_id" in told or any(kind in behind for kind in ("ObjectId", "Decimal128")))
    story.equal(answer["status"], 201, "Creating a product does not answer 201 Created.")
    stored = products.find_one({"sku": sku}, {"_id": 0})
    wanted = body | {"description": None, "price": Decimal128(price)}
    story.equal(stored, wanted, "The stored document is not the product that was sent.")
    document = products.find_one({"sku": sku})
    story.equal(told, shown(document), "The answer does not show the product.")
    story.expect(
        answer["location"], "The answer has no Location header.", expected="Location: /products/<id>"
    )
    found = await http(story, "GET", answer["location"])
    story.equal(found["json"], told, "GET on the Location does not show the product.")
    again = await http(story, "POST", "/products", body | {"name": "another"})
    story.equal(again["status"], 409, "A second product with the same SKU is not answered 409.")
    story.equal(products.count_documents({}), 1, "There are two products with one SKU.")


@router.scenario(
    "GET and DELETE find a product; 404 where there is none, 400 where there is no id", on="mongodb"
)
async def reads_and_deletes(story: Story) -> None:
    products, (row, other) = _opened(story), (a_product(story.random), a_product(story.random))
    products.insert_many([row, other])
    path, nowhere = f"/products/{row['_id']}", f"/products/{new_id(story.random)}"
    found = await http(story, "GET", path)
    story.equal((found["status"], found["json"]), (200, shown(row)), "GET does not show the product.")
    for method, body in (("GET", None), ("PATCH", {"stock": 1}), ("DELETE", None)):
        answer = await http(story, method, nowhere, body)
        story.equal(answer["status"], 404, f"{method} of an unknown id is not 404.")
        for bad in ("7", f"{story.random.getrandbits(90):023x}z"):
            answer = await http(story, method, f"/products/{bad}", body)
            story.equal(answer["status"], 400, f"{method} of something that is no id is not 400.")
    deleted = await http(story, "DELETE", path)
    story.equal((deleted["status"], deleted["text"]), (204, ""), "DELETE does not answer 204 without a body.")
    left = [one["_id"] for one in products.find()]
    story.equal(left, [other["_id"]], "After DELETE the collection does not hold exactly the other product.")


@router.scenario("PATCH sets what was sent and nothing else", on="mongodb", points=2)
async def patches(story: Story) -> None:
    products = _opened(story)
    row = a_product(story.random, supplier={"city": "Bergen", "since": story.random.randint(1990, 2020)})
    products.insert_one(row)
    path, changed = f"/products/{row['_id']}", row | {"stock": row["stock"] + 1}
    answer = await http(story, "PATCH", path, {"stock": changed["stock"]})
    stored = products.find_one({"_id": row["_id"]})
    lost = sorted(name for name in row if name != "stock" and (stored or {}).get(name) != row[name])
    story.saw(lost_by_patch=lost)
    story.equal(answer["status"], 200, "PATCH of one field does not answer 200.")
    story.equal(lost, [], "PATCH changed fields that were not sent.")
    story.equal(stored, changed, "PATCH did not store what was sent.")
    story.equal(answer["json"], shown(changed), "PATCH does not answer the product as it is stored.")
    cleared = await http(story, "PATCH", path, {"description": None})
    story.equal(cleared["status"], 200, "PATCH of the description to null does not answer 200.")
    kept = products.find_one({"_id": row["_id"]})
    story.equal(kept, changed | {"description": None}, "A null that was sent is not stored.")
    empty = await http(story, "PATCH", path, {})
    story.equal(empty["status"], 400, "An empty PATCH is not answered 400.")


@router.scenario("PATCH with the value that is stored already is no 404", on="mongodb")
async def patches_nothing(story: Story) -> None:
    products, row = _opened(story), a_product(story.random)
    products.insert_one(row)
    answer = await http(story, "PATCH", f"/products/{row['_id']}", {"stock": row["stock"]})
    story.saw(unchanged_status=answer["status"])
    story.equal(answer["status"], 200, "The product is there, and nothing had to change.")
    story.equal(answer["json"], shown(row), "PATCH does not answer the product as it is stored.")


@router.scenario("a list holds at most 100 products, in the order of their ids", on="mongodb")
async def limit_is_bounded(story: Story) -> None:
    products = _opened(story)
    rows = [a_product(story.random, sku=f"S-{number}") for number in range(130)]
    products.insert_many(rows)
    ordered = [shown(row) for row in sorted(rows, key=_id_of)]
    for query in ("", "?limit=1000000"):
        answer = await http(story, "GET", f"/products{query}")
        page = len((answer["json"] or {}).get("items", []))
        story.saw(largest_page=max(page, story.seen.largest_page or 0))
        story.expect(page <= MOST_SHOWN, "One list holds too many.",
                     expected="at most 100, or 422", observed=f"{page} products")  # fmt: skip
        story.expect(answer["status"] in (200, 422), "A huge limit is neither cut nor refused with 422.",
                     expected="200 or 422", observed=answer["status"])  # fmt: skip
    answer = await http(story, "GET", "/products?limit=7")
    story.equal((answer["json"] or {}).get("items"), ordered[:7], "The list is not the first seven products.")
    for query in ("?limit=0", "?limit=-1"):
        answer = await http(story, "GET", f"/products{query}")
        story.equal(answer["status"], 422, f"{query} is not refused with 422.")


def _id_of(row: dict[str, Any]) -> ObjectId:
    found: ObjectId = row["_id"]
    return found
