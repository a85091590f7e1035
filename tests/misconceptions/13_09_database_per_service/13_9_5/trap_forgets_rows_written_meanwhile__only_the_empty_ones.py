from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql

PLAN = [
    Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)"),
    Deploy(Release.WRITES_BOTH),
    Sql("UPDATE customers SET full_name = name WHERE full_name IS NULL"),
    Deploy(Release.READS_NEW),
    Deploy(Release.NEW),
    Sql("ALTER TABLE customers DROP COLUMN name"),
]
