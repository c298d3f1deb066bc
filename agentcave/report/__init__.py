"""Plans, sessions and events as text or JSON. Pure strings; printing is the command line's."""
