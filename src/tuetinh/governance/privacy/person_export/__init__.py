"""One person's data as one file that they can keep: resources, attachments, a summary to read, who has looked at it."""
