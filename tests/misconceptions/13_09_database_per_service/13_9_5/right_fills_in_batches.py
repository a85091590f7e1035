from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql

BATCHES = [
    Sql(f"UPDATE customers SET full_name = name WHERE id % 4 = {rest} AND full_name IS NOT name")
    for rest in range(4)
]
PLAN = [
    Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)"),
    Deploy(Release.WRITES_BOTH),
    *BATCHES,
    Deploy(Release.READS_NEW),
    Deploy(Release.NEW),
    Sql("ALTER TABLE customers DROP COLUMN name"),
]
