"""Rooms and their hours, protocols of examinations, appointments: when, where and how an examination is done."""
