USERS_SCHEMA = {
    "bsonType": "object",
    "required": ["email", "name", "balance", "created_at", "roles"],
    "additionalProperties": False,
    "properties": {
        "email": {"bsonType": "string", "pattern": r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$"},
        "name": {"bsonType": "string", "minLength": 1, "maxLength": 80},
        "age": {"bsonType": ["int", "long"], "minimum": 0, "maximum": 150},
        "balance": {"bsonType": "decimal", "minimum": 0},
        "created_at": {"bsonType": "date"},
        "roles": {"bsonType": "array", "minItems": 1, "items": {"enum": ["customer", "staff", "admin"]}},
        "address": {
            "bsonType": "object",
            "required": ["city"],
            "additionalProperties": False,
            "properties": {"city": {"bsonType": "string"}, "postcode": {"bsonType": "string"}},
        },
    },
}
