"""The names of other packages, on Bitaxon: a script changes one import. docs/migration.md says what differs."""
