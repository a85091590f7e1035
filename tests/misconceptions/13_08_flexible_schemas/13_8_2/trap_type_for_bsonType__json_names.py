USERS_SCHEMA = {
    "type": "object",
    "required": ["email", "name", "balance", "created_at", "roles"],
    "additionalProperties": False,
    "properties": {
        "_id": {},
        "email": {"type": "string", "pattern": r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$"},
        "name": {"type": "string", "minLength": 1, "maxLength": 80},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "balance": {"bsonType": "decimal", "minimum": 0},
        "created_at": {"bsonType": "date"},
        "roles": {"type": "array", "minItems": 1, "items": {"enum": ["customer", "staff", "admin"]}},
        "address": {
            "type": "object",
            "required": ["city"],
            "additionalProperties": False,
            "properties": {"city": {"type": "string"}, "postcode": {"type": "string"}},
        },
    },
}
