"""Values and what may be said: no state, no clock, nothing that acts. Everybody may import it."""
