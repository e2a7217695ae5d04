"""OAuth 2.0 and SMART App Launch 2: tokens of connected systems and of apps that people use, and who asks with them.

Secrets, codes and tokens are 256 random bits, so a plain SHA-256 of them is as hard to turn back as they are to guess;
nothing else of them is kept.
"""
