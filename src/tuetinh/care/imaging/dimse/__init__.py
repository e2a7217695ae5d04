"""The archive over DICOM's own network protocol (PS3.7, PS3.8): stores, finds, gives, and tells machines what to do."""
