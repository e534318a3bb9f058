"""The database: its schema, its migrations, and the stores over it. Nobody else writes SQL."""
