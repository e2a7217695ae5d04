"""What each field of tables 0 to 15 is filled with: one description that fills them and tells where each is from."""
