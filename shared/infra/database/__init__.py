"""The database: schema, migrations and stores. All SQL is in this package."""
