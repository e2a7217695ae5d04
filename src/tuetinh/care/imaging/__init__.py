"""Imaging: the archive of pictures (PACS) and the desk of those who make and read them (RIS).

For technicians and radiologists of hospitals. DICOM is spoken by `dimse` (PS3.4, PS3.7, PS3.8) and `dicomweb` (PS3.18),
on one archive; each study is an ImagingStudy of the record, and opens in the `viewer`. `reading` is the room of those
who read; `remote` is for pictures at a distance.
"""
