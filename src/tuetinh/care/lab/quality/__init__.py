"""Internal quality control: control lots, results, Levey–Jennings charts, Westgard's rules that stop a release."""
