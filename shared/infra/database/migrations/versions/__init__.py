"""Schema migrations, one file per revision."""
