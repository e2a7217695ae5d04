"""Pictures and their report without film: shown to whoever has the patient's code, and as files to take home."""
