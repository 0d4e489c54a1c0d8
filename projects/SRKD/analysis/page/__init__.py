"""One HTML page that tells the story of a run: what was trained, how, and what came of it."""
