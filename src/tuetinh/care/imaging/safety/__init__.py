"""What is asked and known of a person before an examination: pregnancy, contrast, kidneys, metformin, implants."""
