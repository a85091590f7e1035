from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql

ADDED = """
    CREATE TRIGGER fill_both AFTER INSERT ON customers BEGIN
        UPDATE customers SET name = COALESCE(NEW.full_name, NEW.name), full_name = COALESCE(NEW.full_name, NEW.name)
        WHERE id = NEW.id;
    END
"""
OLD_CHANGED = """
    CREATE TRIGGER old_to_new AFTER UPDATE OF name ON customers WHEN NEW.name IS NOT OLD.name BEGIN
        UPDATE customers SET full_name = NEW.name WHERE id = NEW.id;
    END
"""
NEW_CHANGED = """
    CREATE TRIGGER new_to_old AFTER UPDATE OF full_name ON customers WHEN NEW.full_name IS NOT NEW.name BEGIN
        UPDATE customers SET name = NEW.full_name WHERE id = NEW.id;
    END
"""
PLAN = [
    Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)"),
    Sql(ADDED),
    Sql(OLD_CHANGED),
    Sql(NEW_CHANGED),
    Sql("UPDATE customers SET full_name = name"),
    Deploy(Release.NEW),
    Sql("DROP TRIGGER fill_both"),
    Sql("DROP TRIGGER old_to_new"),
    Sql("DROP TRIGGER new_to_old"),
    Sql("ALTER TABLE customers DROP COLUMN name"),
]
