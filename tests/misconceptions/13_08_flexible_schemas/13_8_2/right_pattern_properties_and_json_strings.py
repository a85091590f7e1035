TEXT = {"type": "string", "minLength": 1}

USERS_SCHEMA = {
    "type": "object",
    "required": ["roles", "created_at", "balance", "name", "email"],
    "patternProperties": {"^_id$": {}},
    "additionalProperties": False,
    "properties": {
        "email": TEXT | {"pattern": r"^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$"},
        "name": TEXT | {"maxLength": 80},
        "age": {"anyOf": [{"bsonType": "int"}, {"bsonType": "long"}], "minimum": 0, "maximum": 150},
        "balance": {"bsonType": ["decimal"], "minimum": 0},
        "created_at": {"bsonType": "date"},
        "roles": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"bsonType": "string", "enum": ["customer", "staff", "admin"]},
        },
        "address": {"type": "object", "required": ["city"], "properties": {"city": TEXT}},
    },
}
