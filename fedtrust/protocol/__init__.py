"""Messages, RoundSpec and the state machines of the roles; pure, without I/O."""
