"""What the user asks of artifacts, and the judgement. Pure: no socket, environment, clock or file."""
