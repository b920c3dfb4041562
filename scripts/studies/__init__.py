"""What the studies share; README.md says what each file is for."""
