"""What no DICOM machine sends: photos, films, papers, ECGs, pictures of a frame grabber, discs of other places.

Each becomes a DICOM object of an examination, and is kept in the archive as all others are.
"""
