"""Unified Procedure Steps (PS3.4 annex CC): what systems and readers are given to do, over UPS-RS."""
