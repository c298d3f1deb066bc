"""Carrying a plan out. Nothing is decided here: a step is done, fails, or is skipped."""
