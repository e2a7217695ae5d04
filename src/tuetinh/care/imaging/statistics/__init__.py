"""How much work there is: examinations and who did them, pictures and the room that they take."""
