from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql

PLAN = [
    Deploy(Release.NEW),
    Sql("ALTER TABLE customers RENAME COLUMN name TO full_name"),
]
