"""The archive over HTTP (PS3.18): QIDO-RS, WADO-RS and STOW-RS at `/dicom-web`."""
