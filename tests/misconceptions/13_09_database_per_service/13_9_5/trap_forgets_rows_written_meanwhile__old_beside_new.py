from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql

PLAN = [
    Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)"),
    Sql("UPDATE customers SET full_name = name"),
    Deploy(Release.NEW),
    Sql("ALTER TABLE customers DROP COLUMN name"),
]
