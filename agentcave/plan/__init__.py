"""Pure: what is wanted against what is, and the steps between. No I/O, no clock, no chance."""
