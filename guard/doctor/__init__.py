"""``guard doctor``: every way an install could start here, and what stands in it."""
