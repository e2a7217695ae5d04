"""The archive: objects as they came in files of the data folder, their index in tables, what waits for a person."""
